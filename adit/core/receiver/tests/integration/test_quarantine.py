"""What nobody claims is kept for a while, and not for ever."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from adit.core.models import ReceivedInstance, Receiver
from adit.core.receiver import housekeeping
from adit.core.receiver.inbox import ReceiverInbox
from adit.core.receiver.spool import Spool

from .conftest import Study
from .test_inbox import BY_HAND, expect, rows_of

pytestmark = [pytest.mark.integration, pytest.mark.processes]


def test_unclaimed_instances_go_into_quarantine_and_later_away(
    transactional_db, tmp_path: Path, head: Study
):
    rows_of(head, tmp_path, originator=None)
    spool = Spool(tmp_path)
    assert housekeeping.quarantine(BY_HAND, timedelta(hours=1)) == 0
    ReceivedInstance.objects.update(received_at=timezone.now() - timedelta(hours=2))
    assert housekeeping.quarantine(BY_HAND, timedelta(hours=1)) == 24
    assert housekeeping.delete_quarantined(BY_HAND, spool, timedelta(days=1)) == 0
    with expect(ReceiverInbox(), head) as stream:
        assert stream.take(1) is None, "what lies in quarantine answers no later C-MOVE"
    ReceivedInstance.objects.update(quarantined_at=timezone.now() - timedelta(days=2))
    assert housekeeping.delete_quarantined(BY_HAND, spool, timedelta(days=1)) == 24
    assert list(spool.names()) == []


def test_a_receiver_looks_after_its_own_instances(transactional_db, tmp_path: Path, head: Study):
    """Its settings are not those of the others."""
    rows_of(head, tmp_path, originator=None)
    long_ago = timezone.now() - timedelta(days=2)
    ReceivedInstance.objects.update(received_at=long_ago)
    assert housekeeping.quarantine("another", timedelta(minutes=1)) == 0
    ReceivedInstance.objects.update(quarantined_at=long_ago)
    assert housekeeping.delete_quarantined("another", Spool(tmp_path), timedelta(days=1)) == 0


@pytest.mark.parametrize("known", [True, False], ids=["silent for long", "removed"])
def test_what_a_receiver_left_that_is_gone_has_its_time_too(
    transactional_db, tmp_path: Path, head: Study, known: bool
):
    spool = Spool(tmp_path / "of another")
    rows_of(head, tmp_path, originator=None)
    long_ago = timezone.now() - timedelta(days=2)
    ReceivedInstance.objects.update(received_at=long_ago)
    Receiver.objects.update(heartbeat=long_ago)
    if not known:
        Receiver.objects.filter(name=BY_HAND).delete()
    assert housekeeping.quarantine("another", timedelta(hours=1)) == 24
    assert housekeeping.delete_quarantined("another", spool, timedelta(days=1)) == 0
    ReceivedInstance.objects.update(quarantined_at=long_ago)
    assert housekeeping.delete_quarantined("another", spool, timedelta(days=1)) == 24
    assert not ReceivedInstance.objects.exists()
    assert len(list(tmp_path.glob("*.dcm"))) == 24
