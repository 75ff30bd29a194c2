import asyncio
import time
import uuid

import pytest
from django.db import OperationalError

from adit.core.jobs import heartbeats
from adit.core.jobs.heartbeats import Heart
from adit.core.jobs.leases import Beat, Lease, LeaseStatus

LEASE = Lease(1, 1, "kind", uuid.uuid4(), 1)


@pytest.mark.asyncio
async def test_no_run_is_forgotten_while_the_database_is_away_for_long(monkeypatch):
    back = time.monotonic() + 1.0

    def beat_all(held):
        if time.monotonic() < back:
            raise OperationalError
        return {lease.token: Beat(LeaseStatus.HELD) for lease in held}

    monkeypatch.setattr(heartbeats, "beat_all", beat_all)
    monkeypatch.setattr(heartbeats, "_pause", lambda: 0.02)
    monkeypatch.setattr(heartbeats, "_FORGOTTEN_SECONDS", 0.5)
    with Heart().keeps(LEASE) as pulse:
        while pulse.look() is None:
            await asyncio.wait_for(pulse.came.wait(), 20)
        assert pulse.beat == Beat(LeaseStatus.HELD)


@pytest.mark.clock
@pytest.mark.asyncio
async def test_a_run_that_nobody_looks_at_is_not_kept(monkeypatch):
    beaten = []

    def beat_all(held):
        beaten.append(time.monotonic())
        return {lease.token: Beat(LeaseStatus.HELD) for lease in held}

    monkeypatch.setattr(heartbeats, "beat_all", beat_all)
    monkeypatch.setattr(heartbeats, "_pause", lambda: 0.02)
    monkeypatch.setattr(heartbeats, "_FORGOTTEN_SECONDS", 0.5)
    with Heart().keeps(LEASE):
        began = time.monotonic()
        await asyncio.sleep(1.5)
        assert beaten and beaten[-1] - began < 1.0
