from datetime import UTC, datetime, timedelta

from adit.core.jobs.policy import (
    Candidate,
    GiveUp,
    Retry,
    TimeLimits,
    choose_tasks,
    decide_after_crash,
    decide_retry,
    overdue,
)
from adit.core.jobs.turns import Slots

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def candidate(task_id, owner=1, source=1, urgent=False, priority=4):
    return Candidate(task_id, owner, source, urgent, priority)


def chosen(candidates, slots):
    return [c.task_id for c in choose_tasks(candidates, slots)]


def test_no_more_tasks_than_free_slots_are_chosen():
    assert chosen([candidate(i) for i in range(5)], {1: Slots(2, {})}) == [0, 1]


def test_slots_that_are_taken_are_not_free():
    assert chosen([candidate(1)], {1: Slots(2, {7: 2})}) == []


def test_an_urgent_task_comes_first():
    assert chosen([candidate(1), candidate(2, urgent=True)], {1: Slots(1, {})}) == [2]


def test_the_kind_with_the_higher_priority_comes_first():
    waiting = [candidate(1, priority=2), candidate(2, priority=4)]
    assert chosen(waiting, {1: Slots(1, {})}) == [2]


def test_the_owner_with_fewer_tasks_comes_first():
    waiting = [candidate(1, owner=1), candidate(2, owner=1), candidate(3, owner=2)]
    assert chosen(waiting, {1: Slots(2, {})}) == [1, 3]
    assert chosen(waiting, {1: Slots(2, {1: 1})}) == [3]


def test_of_two_owners_without_a_running_task_the_one_who_waited_longer_comes_first():
    waiting = [candidate(1, owner=1), candidate(2, owner=2), candidate(3, owner=3)]
    starts = {1: NOW, 2: NOW - timedelta(minutes=1)}
    assert chosen(waiting, {1: Slots(1, {}, last_starts=starts)}) == [3]
    assert chosen(waiting[:2], {1: Slots(1, {}, last_starts=starts)}) == [2]


def test_among_equals_the_oldest_comes_first():
    assert chosen([candidate(9), candidate(3)], {1: Slots(1, {})}) == [3]


def test_each_source_has_slots_of_its_own():
    waiting = [candidate(1, source=1), candidate(2, source=1), candidate(3, source=2)]
    assert sorted(chosen(waiting, {1: Slots(1, {}), 2: Slots(1, {})})) == [1, 3]


def test_a_source_without_slots_gets_nothing():
    assert chosen([candidate(1, source=5)], {1: Slots(1, {})}) == []


def test_a_failed_attempt_waits_longer_each_time():
    first = decide_retry(1, 3, [120, 240])
    second = decide_retry(2, 3, [120, 240])
    assert first == Retry(120)
    assert second == Retry(240)


def test_three_attempts_are_three_runs():
    assert isinstance(decide_retry(2, 3, [1]), Retry)
    assert isinstance(decide_retry(3, 3, [1]), GiveUp)


def test_a_task_that_kills_its_process_three_times_is_given_up():
    assert isinstance(decide_after_crash(2, 3), Retry)
    assert decide_after_crash(3, 3) == GiveUp("it was interrupted 3 times")


def test_a_closed_server_takes_nothing():
    slots = {1: Slots(2, {}, is_open=False, is_open_for_urgent=False)}
    assert chosen([candidate(1), candidate(2, urgent=True)], slots) == []


def test_urgent_tasks_pass_where_the_server_lets_them():
    slots = {1: Slots(2, {}, is_open=False)}
    assert chosen([candidate(1), candidate(2, urgent=True)], slots) == [2]


def test_a_queued_task_gives_way_to_one_that_weighs_more():
    queued = Candidate(1, 1, 1, False, 4, queue_job_id=7, queue_rank=4)
    assert chosen([queued, candidate(2, urgent=True, priority=8)], {1: Slots(1, {})}) == [2]


LIMITS = TimeLimits(without_progress=1800, base=3600, per_instance=10, per_megabyte=1)


def test_a_run_without_progress_is_ended():
    assert overdue(LIMITS, 2000, 1799, 0, 0) == ""
    assert overdue(LIMITS, 2000, 1801, 0, 0) == "No progress for 30 min."


def test_a_big_study_that_gets_on_is_never_ended():
    day = 24 * 3600
    assert overdue(LIMITS, day, 60, 20_000, 0) == ""
    assert overdue(LIMITS, day, 60, 10, 100_000_000_000) == ""


def test_a_small_study_that_takes_for_ever_is_ended():
    assert overdue(LIMITS, 3600 + 101, 5, 10, 0) == "Not done after 1.0 h."
