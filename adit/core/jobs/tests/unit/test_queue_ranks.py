from hypothesis import given
from hypothesis import strategies as st

from adit.core.jobs.queue_ranks import ARCHIVE_RANK, ranks

INT4 = range(-(2**31), 2**31)
numbers = st.none() | st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 3)
rows = st.lists(st.tuples(st.booleans(), numbers), max_size=12).map(
    lambda rows: sorted(rows, key=lambda row: not row[0])
)


@given(rows)
def test_the_numbers_fall_along_the_order_and_fit_into_their_column(known):
    found = ranks(known)
    assert len(found) == len(known)
    assert all(a > b for a, b in zip(found, found[1:], strict=False))
    assert all(number in INT4 for number in found)
    assert all(
        (rank > ARCHIVE_RANK) == urgent for (urgent, _), rank in zip(known, found, strict=True)
    )


def test_what_is_in_order_keeps_its_numbers_whatever_comes_between():
    first = ranks([(False, None)] * 4)
    assert ranks([(False, rank) for rank in first]) == first
    known = [None, first[0], None, None, first[1], first[2], None]
    found = ranks([(False, rank) for rank in known])
    assert [found[1], found[4], found[5]] == first[:3]


def test_room_is_made_where_there_is_none():
    found = ranks([(False, 7), (False, None), (False, 6)])
    assert found == sorted(found, reverse=True)


def test_after_the_smallest_number_all_begin_anew():
    found = ranks([(False, INT4.start + 1), (False, None)])
    assert found[1] > INT4.start + 1_000_000
