"""Whose instances are taken for the answer to a C-MOVE."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from adit.core.dicom import ServerConfig
from adit.core.factories import DicomServerFactory
from adit.core.models import ReceivedInstance
from adit.core.receiver.claims import UNSURE_GRACE_SECONDS
from adit.core.receiver.inbox import ReceiverInbox

from .conftest import Study
from .test_inbox import expect, rows_of, take_all

pytestmark = [pytest.mark.integration, pytest.mark.processes]


def server_named(title: str, host: str = "127.0.0.1", **changes: object) -> ServerConfig:
    name = f"{title} at {host}"
    return DicomServerFactory(name=name, ae_title=title, host=host, **changes).to_config()


def test_two_servers_asked_at_once_for_one_study_are_told_apart(
    transactional_db, tmp_path: Path, head: Study
):
    """Neither says whose C-MOVE it serves."""
    servers = [server_named(title) for title in ("QA", "QB")]
    senders: dict[str, set[str]] = {}
    with (
        expect(ReceiverInbox(), head, server=servers[0]) as first,
        expect(ReceiverInbox(), head, server=servers[1], message_id=2) as second,
    ):
        for title in ("QB", "QA"):
            rows_of(head, tmp_path, None, sender=title)
        for title, stream in (("QA", first), ("QB", second)):
            assert len(take_all(stream, 25, 1)) == 24
            left = ReceivedInstance.objects.filter(claimed_by=None)
            senders[title] = set(left.values_list("calling_ae_title", flat=True))
    assert senders == {"QA": {"QB"}, "QB": set()}


@pytest.mark.parametrize(
    ("sender", "address", "originator", "taken"),
    [
        ("OTHER", "127.0.0.1", None, 0),
        ("OTHER", "127.0.0.1", 2, 0),
        ("OTHER", "127.0.0.1", 1, 24),
        ("ARCHIVE", "127.0.0.1", None, 24),
        ("PACS", "127.0.0.1", None, 24),
        ("PACS", "192.0.2.7", None, 0),
    ],
    ids=[
        "another server",
        "for another C-MOVE",
        "for this C-MOVE",
        "a sender of the server",
        "the server",
        "one of its title elsewhere",
    ],
)
def test_only_what_the_server_that_was_asked_sends_is_its_answer(
    transactional_db,
    tmp_path: Path,
    head: Study,
    sender: str,
    address: str,
    originator: int | None,
    taken: int,
):
    server = server_named("PACS", sender_ae_titles="ARCHIVE, SPARE")
    server_named("OTHER")
    server_named("PACS", host="192.0.2.7")
    rows_of(head, tmp_path, originator, sender=sender, address=address)
    ReceivedInstance.objects.update(move_originator_ae_title="ADIT" if originator else "")
    with expect(ReceiverInbox(), head, server=server) as stream:
        ReceivedInstance.objects.update(received_at=timezone.now() - timedelta(seconds=5))
        stream._desk._since -= timedelta(seconds=60)
        assert len(take_all(stream, 24, 5 if taken else 0.3)) == taken
    assert ReceivedInstance.objects.filter(claimed_by=None).count() == 24 - taken


def test_who_is_not_known_may_send_for_a_server_that_does_not_say_for_whom_it_sends(
    transactional_db, tmp_path: Path, head: Study
):
    rows_of(head, tmp_path, None, sender="STRANGER")
    few = frozenset(list(head.uids)[:3])
    known = {"patient_id": "1001", "sop_instance_uids": few}
    with expect(ReceiverInbox(), head, **known) as stream:
        assert stream.take(0) is None
        assert len(take_all(stream, 3)) == 3
    with expect(ReceiverInbox(), head, patient_id="1001") as stream:
        rows_of(head, tmp_path, 1)
        assert len(take_all(stream, 24, 5)) == 24
        # It does say so: what else came is not from it.
        ReceivedInstance.objects.update(received_at=timezone.now())
    assert set(ReceivedInstance.objects.values_list("calling_ae_title", flat=True)) == {"STRANGER"}


def test_what_an_unknown_sender_has_of_another_patient_is_set_aside(
    transactional_db, tmp_path: Path, head: Study
):
    rows_of(head, tmp_path, None, sender="STRANGER")
    with expect(ReceiverInbox(), head, patient_id="ANOTHER") as stream:
        stream._desk._since -= timedelta(seconds=60)
        ReceivedInstance.objects.update(received_at=timezone.now() - timedelta(seconds=5))
        assert stream.take(0.5) is None
    assert ReceivedInstance.objects.filter(conflicting=True).count() == 24


def test_others_of_a_series_are_taken_where_they_may_come(
    transactional_db, tmp_path: Path, head: Study
):
    """The server had listed three."""
    rows_of(head, tmp_path, None)
    few = frozenset(list(head.uids)[:3])
    series = frozenset({head.series_uid})
    with expect(
        ReceiverInbox(), head, sop_instance_uids=few, series_instance_uids=series, others_too=True
    ) as stream:
        assert len(take_all(stream, 24, 5)) == 24


def test_what_the_server_itself_sends_goes_before_what_an_unknown_sender_has(
    transactional_db, tmp_path: Path, head: Study
):
    """Both lie there when the worker looks."""
    rows_of(head, tmp_path, None, sender="STRANGER")
    ReceivedInstance.objects.update(sha256="0" * 64)
    with expect(ReceiverInbox(), head, sop_instance_uids=None) as stream:
        rows_of(head, tmp_path, None)
        stream._desk._since -= timedelta(seconds=60)
        ReceivedInstance.objects.update(received_at=timezone.now() - timedelta(seconds=5))
        assert len(take_all(stream, 25, 2)) == 24
    # The others are told of and kept; what was delivered is the server's own.
    left = ReceivedInstance.objects.filter(claimed_by=None)
    assert set(left.values_list("calling_ae_title", "conflicting")) == {("STRANGER", True)}
    assert left.count() == 24
    assert not stream.strangers


def test_once_the_server_has_sent_something_who_is_not_known_waits_longer_for_its_turn(
    transactional_db, tmp_path: Path, head: Study
):
    """It may send the rest itself; or have nodes of which only one is known."""
    rows_of(head, tmp_path, None)
    first = ReceivedInstance.objects.earliest("pk")
    ReceivedInstance.objects.exclude(pk=first.pk).update(calling_ae_title="STRANGER")
    with expect(ReceiverInbox(), head) as stream:
        assert stream.take(5)
        stream._desk._since -= timedelta(seconds=60)
        between = UNSURE_GRACE_SECONDS + 0.2
        ReceivedInstance.objects.update(received_at=timezone.now() - timedelta(seconds=between))
        assert stream.take(0.1) is None
        assert len(take_all(stream, 23, 10)) == 23


def test_an_unknown_sender_whose_version_was_first_is_named(
    transactional_db, tmp_path: Path, head: Study
):
    rows_of(head, tmp_path, None, sender="STRANGER")
    with expect(ReceiverInbox(), head) as stream:
        stream._desk._since -= timedelta(seconds=60)
        ReceivedInstance.objects.update(received_at=timezone.now() - timedelta(seconds=5))
        assert len(take_all(stream, 24, 5)) == 24
        # Only then the server sends its own; one of it is different.
        rows_of(head, tmp_path, None)
        own = ReceivedInstance.objects.filter(claimed_by=None).earliest("pk")
        ReceivedInstance.objects.filter(pk=own.pk).update(sha256="0" * 64)
    assert stream.strangers == {own.sop_instance_uid: "STRANGER"}
    assert stream.conflicting == {own.sop_instance_uid}
