from datetime import UTC, datetime, timedelta

import pytest

from adit.core.jobs.places import Place
from adit.core.jobs.waiting import WaitingFacts, waiting_reason
from adit.core.jobs.worker_slots import WorkerSlots

NOW = datetime(2024, 5, 6, 14, 0, tzinfo=UTC)


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
            {"outside_hours": True, "opens_at": NOW + timedelta(hours=6)},
            "PACS1 is outside its hours, from 20:00",
        ),
        (
            {"outside_hours": True, "opens_at": NOW + timedelta(days=1, hours=6)},
            "PACS1 is outside its hours, from Tuesday 20:00",
        ),
        ({"outside_hours": True}, "PACS1 is outside its hours"),
        ({"outside_hours": True, "closed": "PACS2"}, "PACS2 is outside its hours"),
        (
            {"suspended_kind": "Selective Transfer", "suspended": True},
            "suspended: no new tasks of the kind Selective Transfer start",
        ),
        ({"workers": WorkerSlots(0)}, "waits for a worker: none is running"),
        (
            {"workers": WorkerSlots(0), "in_use": 2, "limit": 2},
            "waits for a worker: none is running",
        ),
        ({"workers": WorkerSlots(0), "suspended": True}, "suspended: PACS1 takes no new tasks"),
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
        ({"suspended": True, "place": Place(1)}, "suspended: PACS1 takes no new tasks"),
    ],
)
def test_the_hardest_reason_is_told(facts, reason):
    assert waiting_reason(WaitingFacts(source="PACS1", **{"limit": 2, **facts}), NOW) == reason
