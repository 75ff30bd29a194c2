import zoneinfo
from datetime import UTC, datetime, time

import pytest

from adit.core.jobs.hours import Hours, Opening, all_open_at, is_open, opens_at

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NIGHTS = Hours(frozenset({0, 1, 2, 3}), time(20), time(6))  # from Monday to Thursday evening


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def test_without_hours_a_server_is_always_open():
    assert is_open([], at("2024-05-06 03:00"), BERLIN)


@pytest.mark.parametrize(
    ("moment", "is_it"),
    [
        ("2024-05-06 19:59:59", False),  # a Monday
        ("2024-05-06 20:00:00", True),
        ("2024-05-07 00:00:00", True),
        ("2024-05-07 05:59:59", True),
        ("2024-05-07 06:00:00", False),
        ("2024-05-10 05:00:00", True),  # Friday morning belongs to Thursday
        ("2024-05-10 21:00:00", False),
        ("2024-05-06 05:00:00", False),  # Monday morning belongs to Sunday
    ],
)
def test_hours_pass_midnight(moment, is_it):
    assert is_open([NIGHTS], at(moment), BERLIN) == is_it


def test_equal_times_are_a_whole_day():
    day = Hours(frozenset({0}), time(0), time(0))
    assert is_open([day], at("2024-05-06 23:59"), BERLIN)
    assert not is_open([day], at("2024-05-07 00:00"), BERLIN)


def test_the_hours_are_those_of_the_zone():
    now = datetime(2024, 5, 6, 18, 30, tzinfo=UTC)
    assert is_open([NIGHTS], now, BERLIN)
    assert not is_open([NIGHTS], now, zoneinfo.ZoneInfo("UTC"))


def test_the_next_opening_is_told():
    assert opens_at([NIGHTS], at("2024-05-06 12:00"), BERLIN) == at("2024-05-06 20:00")
    assert opens_at([NIGHTS], at("2024-05-10 12:00"), BERLIN) == at("2024-05-13 20:00")


def test_hours_that_never_come_have_no_opening():
    assert opens_at([Hours(frozenset(), time(1), time(2))], at("2024-05-06 12:00"), BERLIN) is None


def test_the_night_in_which_clocks_go_forward_is_an_hour_shorter():
    night = Hours(frozenset({5}), time(22), time(4))  # Saturday, 30 March 2024
    assert is_open([night], datetime(2024, 3, 31, 1, 59, tzinfo=UTC), BERLIN)
    assert not is_open([night], datetime(2024, 3, 31, 2, 0, tzinfo=UTC), BERLIN)


def test_the_night_in_which_clocks_go_back_is_an_hour_longer():
    night = Hours(frozenset({5}), time(22), time(4))  # Saturday, 26 October 2024
    assert is_open([night], datetime(2024, 10, 27, 2, 59, tzinfo=UTC), BERLIN)
    assert not is_open([night], datetime(2024, 10, 27, 3, 0, tzinfo=UTC), BERLIN)


DAILY = frozenset(range(7))


def daily(since, until):
    return [Hours(DAILY, time(since), time(until))], BERLIN


@pytest.mark.parametrize(
    ("source", "destination", "expected", "held_up_by"),
    [
        (daily(10, 14), daily(9, 18), "2024-05-06 12:00", ()),
        (daily(17, 23), daily(9, 18), "2024-05-06 17:00", ("A",)),
        (daily(17, 23), daily(19, 22), "2024-05-06 19:00", ("A", "B")),
        # When the one opens, the other has closed.
        (daily(17, 18), daily(9, 13), None, ("A", "B")),
        (daily(17, 20), daily(19, 13), "2024-05-06 19:00", ("A", "B")),
        (([], BERLIN), daily(9, 11), "2024-05-07 09:00", ("B",)),
        (([NIGHTS], BERLIN), daily(5, 7), "2024-05-07 05:00", ("A", "B")),
    ],
)
def test_servers_are_open_at_once_when_the_last_of_them_opens(
    source, destination, expected, held_up_by
):
    found = all_open_at({"A": source, "B": destination}, at("2024-05-06 12:00"))
    assert found == Opening(at(expected) if expected else None, held_up_by)


def test_hours_that_never_come_never_meet():
    never = [Hours(frozenset(), time(1), time(2))], BERLIN
    found = all_open_at({"A": never, "B": daily(9, 18)}, at("2024-05-06 12:00"))
    assert found == Opening(None, ("A",))
