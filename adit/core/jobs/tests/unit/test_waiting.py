from datetime import UTC, datetime, timedelta

import pytest

from adit.core.jobs.hours import Opening
from adit.core.jobs.places import Place
from adit.core.jobs.waiting import WaitingFacts, waiting_reason
from adit.core.jobs.worker_slots import WorkerSlots

NOW = datetime(2024, 5, 6, 14, 0, tzinfo=UTC)


def opening(hours, *held_up_by):
    return Opening(None if hours is None else NOW + timedelta(hours=hours), held_up_by)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"place": Place(12)}, "queued (position 12)"),
        ({"place": Place(700, exact=False)}, "queued (about position 700)"),
        ({"place": Place(1), "in_use": 2, "limit": 2}, "waits for PACS1: 2 of 2 in use"),
        (
            {"place": Place(3), "in_use": 2, "limit": 2},
            "waits for PACS1: 2 of 2 in use, position 3",
        ),
        ({"not_before": NOW + timedelta(minutes=5)}, "retry at 14:05"),
        ({"not_before": NOW + timedelta(days=1)}, "retry at 2024-05-07 14:00"),
        ({"not_before": NOW - timedelta(seconds=1)}, "queued (position 1)"),
        (
            {"not_before": NOW + timedelta(minutes=5), "waits_for": "waits for disk space"},
            "waits for disk space",
        ),
        (
            {"closed": ("PACS1",), "opening": opening(6, "PACS1")},
            "PACS1 is outside its hours, from 20:00",
        ),
        (
            {"closed": ("PACS1",), "opening": opening(30, "PACS1")},
            "PACS1 is outside its hours, from Tuesday 20:00",
        ),
        ({"closed": ("PACS1",), "opening": opening(None, "PACS1")}, "PACS1 is outside its hours"),
        (
            {"closed": ("PACS2",), "opening": opening(6, "PACS2")},
            "PACS2 is outside its hours, from 20:00",
        ),
        (
            {"closed": ("PACS1", "PACS2"), "opening": opening(6, "PACS1", "PACS2")},
            "PACS1 and PACS2 are outside their hours, from 20:00",
        ),
        # PACS2 is open now, but not any more when PACS1 opens.
        (
            {"closed": ("PACS1",), "opening": opening(6, "PACS1", "PACS2")},
            "PACS1 and PACS2 are not open at the same time, from 20:00",
        ),
        (
            {"closed": ("PACS1",), "opening": opening(None, "PACS1", "PACS2")},
            "PACS1 and PACS2 are not open at the same time; their hours never meet",
        ),
        # The latest of both times counts.
        (
            {
                "closed": ("PACS1",),
                "opening": opening(3, "PACS1"),
                "not_before": NOW + timedelta(minutes=4),
                "waits_for": "waits for disk space",
            },
            "PACS1 is outside its hours, from 17:00",
        ),
        (
            {
                "closed": ("PACS1",),
                "opening": opening(4),
                "not_before": NOW + timedelta(hours=4),
            },
            "retry at 18:00",
        ),
        # Open now, but not when the next attempt is due.
        (
            {"opening": opening(6, "PACS1"), "not_before": NOW + timedelta(hours=4)},
            "retry at 20:00",
        ),
        (
            {"suspended_kind": "Selective Transfer", "suspended": ("PACS1",)},
            "suspended: no new tasks of the kind Selective Transfer start",
        ),
        ({"suspended": ("PACS1", "PACS2")}, "suspended: PACS1 and PACS2 take no new tasks"),
        ({"workers": WorkerSlots(0)}, "waits for a worker: none is running"),
        (
            {"workers": WorkerSlots(0), "in_use": 2, "limit": 2},
            "waits for a worker: none is running",
        ),
        (
            {"workers": WorkerSlots(0), "suspended": ("PACS1",)},
            "suspended: PACS1 takes no new tasks",
        ),
        ({"workers": WorkerSlots(4, 4)}, "waits for a free worker: 4 of 4 busy"),
        (
            {"workers": WorkerSlots(4, 5), "place": Place(3, exact=False)},
            "waits for a free worker: 4 of 4 busy, about position 3",
        ),
        (
            {"workers": WorkerSlots(4, 4), "in_use": 2, "limit": 2},
            "waits for PACS1: 2 of 2 in use",
        ),
        ({"workers": WorkerSlots(4, 3), "place": Place(2)}, "queued (position 2)"),
        ({"suspended": ("PACS1",), "place": Place(1)}, "suspended: PACS1 takes no new tasks"),
    ],
)
def test_the_hardest_reason_is_told(facts, reason):
    assert waiting_reason(WaitingFacts(source="PACS1", **{"limit": 2, **facts}), NOW) == reason
