"""The places told to people, against the policy of the dispatcher itself."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adit.core.jobs.places import MOST_TURNS, Place, find_places
from adit.core.jobs.policy import Candidate, choose_tasks
from adit.core.jobs.turns import Line, Slots

T0 = datetime(2024, 5, 6, 14, 0, tzinfo=UTC)
SERVER = 7

tasks = st.lists(
    st.tuples(st.integers(1, 4), st.booleans(), st.integers(1, 3)), min_size=1, max_size=30
)


def started_in_order(candidates, slots):
    """One task after the other as dispatched, those that run ending in the order of their start."""
    waiting, order = list(candidates), []
    turns = dict(slots.last_starts)
    oldest = sorted(slots.running_by_owner, key=lambda owner: turns.get(owner, T0 - timedelta(9)))
    running = [owner for owner in oldest for _ in range(slots.running_by_owner[owner])]
    clock = T0 + timedelta(days=1)
    while waiting:
        if len(running) >= slots.limit:
            running.pop(0)
        now = Slots(slots.limit, Counter(running), last_starts=turns)
        for chosen in choose_tasks(waiting, {SERVER: now}):
            waiting.remove(chosen)
            order.append(chosen)
            running.append(chosen.owner_id)
            clock += timedelta(seconds=1)
            turns = {**turns, chosen.owner_id: clock}
    return order


def lines_of(candidates):
    groups = {}
    for c in sorted(candidates, key=lambda c: c.task_id):
        groups.setdefault((c.urgent, c.priority, c.owner_id), []).append(c.task_id)
    lines = [
        Line(SERVER, urgent, priority, owner_id, len(ids), ids[:8])
        for (urgent, priority, owner_id), ids in groups.items()
    ]
    where = {
        pk: (i, turn) for i, ids in enumerate(groups.values()) for turn, pk in enumerate(ids, 1)
    }
    return lines, where


@given(
    tasks,
    st.integers(1, 4),
    st.lists(st.integers(1, 5), max_size=4),
    st.lists(st.integers(1, 4), unique=True),
)
def test_the_places_are_those_of_the_dispatcher(waiting, limit, running, had_turns):
    candidates = [
        Candidate(pk, owner, SERVER, urgent, priority)
        for pk, (owner, urgent, priority) in enumerate(waiting, 1)
    ]
    running = running[:limit]
    turns = {owner: T0 + timedelta(minutes=i) for i, owner in enumerate(had_turns)}
    turns |= {owner: T0 + timedelta(hours=1 + i) for i, owner in enumerate(dict.fromkeys(running))}
    slots = Slots(limit, Counter(running), last_starts=turns)
    order = started_in_order(candidates, slots)
    lines, where = lines_of(candidates)
    places = find_places(lines, {SERVER: slots}, where.values())
    told = sorted(candidates, key=lambda c: places[where[c.task_id]].number)
    assert [c.task_id for c in told] == [c.task_id for c in order]
    assert sorted(place.number for place in places.values()) == list(range(1, len(order) + 1))


def test_a_single_owner_of_many_has_exact_places():
    lines = [Line(SERVER, False, 4, 1, 5000, [10]), Line(SERVER, True, 8, 1, 20, [90])]
    assert find_places(lines, {SERVER: Slots(2, {})}, [(0, 4321)]) == {(0, 4321): Place(4341)}


def test_far_behind_others_the_place_is_said_to_be_about_so():
    lines = [Line(SERVER, False, 4, 1, 5000, [10]), Line(SERVER, False, 4, 2, 5000, [9000])]
    (place,) = find_places(lines, {SERVER: Slots(1, {})}, [(1, 2000)]).values()
    assert not place.exact
    assert 3990 <= place.number <= 4010


def test_within_the_turns_that_are_played_through_one_slot_is_exact():
    lines = [Line(SERVER, False, 4, 1, 5000, [10]), Line(SERVER, False, 4, 2, 5000, [9000])]
    (place,) = find_places(lines, {SERVER: Slots(1, {})}, [(1, 100)]).values()
    assert place == Place(200)
    assert place.number < MOST_TURNS


@pytest.mark.clock
def test_where_many_wait_a_place_is_found_in_little_time():
    lines = [
        Line(source, False, 4, owner, 50, range(1000 * owner + source, 1000 * owner + source + 16))
        for owner in range(1000)
        for source in range(4)
    ]
    slots = {source: Slots(16, {}) for source in range(4)}
    begin = time.process_time()
    places = find_places(lines, slots, [(0, 1), (3999, 50)], workers=8)
    assert time.process_time() - begin < 0.5
    assert places[0, 1] == Place(1)
    assert not places[3999, 50].exact and places[3999, 50].number > 10_000
