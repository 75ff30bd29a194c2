from datetime import UTC, datetime, timedelta

from adit.core.jobs.turns import Line, Slots, Turns

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C = 1, 2, 3


def order(lines, slots):
    """The owners and servers in the order of their turns."""
    turns = Turns(lines, slots)
    return [(lines[i].owner_id, lines[i].source_id) for i, _ in iter(turns.take, None)]


def line(owner, source, length=1, first_id=None, urgent=False, priority=4):
    first_id = 100 * owner + source if first_id is None else first_id
    return Line(source, urgent, priority, owner, length, range(first_id, first_id + length))


def test_the_owner_with_fewer_tasks_in_all_has_the_next_turn_at_another_server():
    slots = {1: Slots(8, {A: 4}), 2: Slots(1, {})}
    assert order([line(A, 1, 4), line(B, 2)], slots)[0] == (B, 2)


def test_urgency_and_priority_count_over_all_servers():
    slots = {1: Slots(4, {}), 2: Slots(4, {A: 3})}
    waiting = [line(B, 1), line(A, 2, urgent=True), line(C, 1, priority=5)]
    assert order(waiting, slots) == [(A, 2), (C, 1), (B, 1)]


def test_what_an_owner_has_elsewhere_does_not_cost_him_his_turn_at_a_server():
    slots = {1: Slots(8, {A: 5}), 2: Slots(1, {}, last_starts={B: NOW})}
    assert order([line(A, 2), line(B, 2, 2000)], slots) == [(A, 2)]


def test_who_stands_before_an_owner_whose_turn_it_is_goes_at_once():
    # C has nothing and waits behind A, who has much elsewhere: else C's server stood idle for A.
    slots = {
        1: Slots(8, {A: 5}),
        2: Slots(1, {}, last_starts={C: NOW, A: NOW - timedelta(hours=1)}),
        3: Slots(2, {B: 1}),
    }
    assert order([line(A, 2), line(B, 3), line(C, 2)], slots)[0] == (A, 2)


def test_owners_with_equally_many_take_turns_over_the_servers():
    slots = {1: Slots(3, {}), 2: Slots(3, {})}
    found = order([line(A, 1, 3), line(B, 2, 3)], slots)
    assert found == [(A, 1), (B, 2)] * 3


def test_between_equals_the_last_start_at_any_server_counts():
    slots = {
        1: Slots(1, {}, last_starts={A: NOW - timedelta(hours=2)}),
        2: Slots(1, {}, last_starts={B: NOW - timedelta(hours=1)}),
        3: Slots(1, {C: 1}, last_starts={A: NOW, C: NOW}),
    }
    assert order([line(A, 1), line(B, 2)], slots) == [(B, 2), (A, 1)]


def test_a_server_above_its_lowered_limit_has_room_only_when_enough_have_ended():
    turns = Turns([line(B, 1)], {1: Slots(1, {A: 3})})
    for _ in range(2):
        turns.end(1, A)
        assert turns.take() is None
    turns.end(1, A)
    assert turns.take() == (0, 1)
