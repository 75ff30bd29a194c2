"""Rows that PostgreSQL lost in a crash are made anew from their files."""

import signal
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.utils import timezone

from adit.core.factories import DicomServerFactory, UserFactory
from adit.core.models import DicomJob, DicomNode, DicomTask, ReceivedInstance, SeriesTransfer
from adit.core.models.records import InstanceRecord, InstanceState, encode_records
from adit.core.receiver.inbox import ReceiverInbox
from adit.stack.ports import wait_until

from .conftest import ReceiverUnderTest, Study, send
from .test_inbox import SERVER, expect, take_all

pytestmark = [pytest.mark.integration, pytest.mark.processes]

# What the file does not tell, and what is the row's own.
UNTOLD = {"id", "address", "called_ae_title", "received_at"}


def rows() -> dict[str, dict]:
    return {
        row["path"]: {key: value for key, value in row.items() if key not in UNTOLD}
        for row in ReceivedInstance.objects.values()
    }


def lose_rows() -> dict[str, dict]:
    before = rows()
    ReceivedInstance.objects.all().delete()
    return before


def test_a_receiver_that_starts_enters_files_without_row(
    mortal_receiver: ReceiverUnderTest, head: Study, settings
):
    """As they were, and so that the C-MOVE that waits for them gets them."""
    receiver = mortal_receiver
    with expect(ReceiverInbox(), head) as stream:
        assert send(receiver, head).returncode == 0
        receiver.stop(signal.SIGKILL)
        before = lose_rows()
        assert len(before) == 24
        receiver.start()
        assert rows() == before
        written = {path.name: path.stat().st_mtime for path in receiver.files()}
        for row in ReceivedInstance.objects.all():
            assert row.received_at == datetime.fromtimestamp(written[row.path], UTC)
        settings.FILE_TRANSMIT_KEY = "a key for tests"
        taken = take_all(stream, 24)
    assert {instance.sop_instance_uid for instance in taken} == head.uids


def test_a_receiver_that_lost_the_database_enters_files_without_row(
    mortal_receiver: ReceiverUnderTest, head: Study
):
    assert send(mortal_receiver, head).returncode == 0
    before = lose_rows()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    wait_until(lambda: rows() == before, "the rows are back", timeout=30)


def test_an_older_instance_is_no_answer_although_it_is_entered_later(
    mortal_receiver: ReceiverUnderTest, head: Study
):
    assert send(mortal_receiver, head).returncode == 0
    mortal_receiver.stop(signal.SIGKILL)
    lose_rows()
    expected = {
        "study_instance_uid": head.uid,
        "series_instance_uids": None,
        "sop_instance_uids": head.uids,
        "message_id": 1,
        "calling_ae_title": "ADIT",
        "server": SERVER,
    }
    with ReceiverInbox().expect(**expected) as stream:
        mortal_receiver.start()
        assert len(rows()) == 24
        assert stream.take(2) is None


def test_copies_of_what_is_delivered_are_given_up_and_nothing_else(
    mortal_receiver: ReceiverUnderTest, head: Study, large: Study
):
    receiver = mortal_receiver
    for study in (head, large):
        assert send(receiver, study).returncode == 0
    server = DicomNode.objects.get(pk=DicomServerFactory().pk)
    job = DicomJob.objects.create(kind="test", owner=UserFactory(), state="SUCCESS")
    task = DicomTask.objects.create(job=job, source=server, state="SUCCESS", end=timezone.now())
    # Of the first it had another content, and the second it never had.
    changed, unknown, *_ = sorted(head.uids)
    received = [
        InstanceRecord(
            row.sop_instance_uid,
            InstanceState.CONFIRMED,
            sha256_received="0" * 64 if row.sop_instance_uid == changed else row.sha256,
        )
        for row in ReceivedInstance.objects.filter(study_instance_uid=head.uid)
        if row.sop_instance_uid != unknown
    ]
    SeriesTransfer.objects.create(
        task=task,
        series_instance_uid=head.series_uid,
        state=SeriesTransfer.State.SUCCESS,
        instances=encode_records(received),
    )
    receiver.stop(signal.SIGKILL)
    lose_rows()
    receiver.start()
    kept = len(large.uids) + 2
    wait_until(lambda: len(receiver.files()) == kept, "the copies are gone", timeout=30)
    of_head = ReceivedInstance.objects.filter(study_instance_uid=head.uid, discarded=False)
    assert {row.sop_instance_uid for row in of_head} == {changed, unknown}
