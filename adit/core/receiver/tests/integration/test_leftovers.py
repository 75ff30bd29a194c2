from datetime import timedelta

import pytest
from django.db.models.functions import Now

from adit.core.dicom import ServerConfig
from adit.core.factories import DicomServerFactory, UserFactory
from adit.core.models import (
    DicomJob,
    DicomNode,
    DicomTask,
    ReceivedInstance,
    SeriesTransfer,
)
from adit.core.models.records import InstanceRecord, InstanceState, encode_records
from adit.core.receiver.housekeeping import delete_discarded
from adit.core.receiver.inbox import ReceiverInbox
from adit.core.receiver.leftovers import discard_late_copies, discard_leftovers
from adit.core.receiver.spool import Spool

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

CONTENT, OTHER_CONTENT = "c0" * 32, "0c" * 32
NOBODY = "00000000-0000-0000-0000-000000000009"


def records(**states: str) -> bytes:
    """What the ledger holds of instances, by UID."""
    return encode_records(
        InstanceRecord(uid, InstanceState[state], sha256_received=CONTENT)
        for uid, state in states.items()
    )


@pytest.fixture
def make_task():
    user, server = UserFactory(), DicomServerFactory(ae_title="SOURCE")

    def make(state="IN_PROGRESS", **changes):
        job = DicomJob.objects.create(kind="test", owner=user, state="IN_PROGRESS")
        lease = "00000000-0000-0000-0000-000000000001" if state == "IN_PROGRESS" else None
        source = DicomNode.objects.get(pk=server.pk)
        task = DicomTask.objects.create(
            job=job, source=source, state=state, lease=lease, queued=Now(), **changes
        )
        SeriesTransfer.objects.create(
            task=task,
            series_instance_uid="1.2.1",
            state="SUCCESS" if state == "SUCCESS" else "PENDING",
            instances=records(a="CONFIRMED", b="SENT", c="FAILED"),
        )
        return task

    return make


def spooled(name, **changes):
    values = {
        "study_instance_uid": "1.2",
        "series_instance_uid": "1.2.1",
        "sop_instance_uid": name[0],
        "sha256": CONTENT,
    }
    return ReceivedInstance.objects.create(
        receiver="leftovers", path=name, size=1, **(values | changes)
    )


def given_up():
    rows = ReceivedInstance.objects.filter(discarded=True)
    return set(rows.values_list("path", flat=True))


def long_come():
    ReceivedInstance.objects.update(received_at=Now() - timedelta(seconds=20))


def test_second_copies_of_a_complete_task_are_given_up(make_task):
    spooled("a", calling_ae_title="STRANGER")
    spooled("b", claimed_by=NOBODY)
    assert discard_leftovers(make_task().pk, "1.2") == 2
    assert given_up() == {"a", "b"}


@pytest.mark.parametrize("late", [False, True], ids=["at the end", "after the end"])
def test_what_is_no_copy_of_what_was_delivered_stays(make_task, late):
    task = make_task("SUCCESS", end=Now()) if late else make_task()
    spooled("new")
    spooled("new from the source", calling_ae_title="SOURCE")
    spooled("a of another content", sha256=OTHER_CONTENT, calling_ae_title="SOURCE")
    spooled("c, which was refused")
    spooled("d of another series", series_instance_uid="1.2.2", sop_instance_uid="a")
    spooled("a, a copy")
    long_come()
    if late:
        assert discard_late_copies("leftovers") == 1
    else:
        assert discard_leftovers(task.pk, "1.2") == 1
    assert given_up() == {"a, a copy"}


@pytest.mark.parametrize("late", [False, True], ids=["at the end", "after the end"])
def test_what_the_source_sent_for_a_c_move_of_ours_is_given_up_whatever_it_is(make_task, late):
    task = make_task("SUCCESS", end=Now()) if late else make_task()
    spooled("new", calling_ae_title="SOURCE", move_originator_ae_title="ADIT")
    spooled("new from another", calling_ae_title="OTHER", move_originator_ae_title="ADIT")
    long_come()
    if late:
        assert discard_late_copies("leftovers") == 1
    else:
        assert discard_leftovers(task.pk, "1.2") == 1
    assert given_up() == {"new"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("series", [["1.2.1"], None], ids=["the series", "the study"])
@pytest.mark.parametrize("late", [False, True], ids=["at the end", "after the end"])
def test_nothing_is_given_up_while_an_inbox_is_open_for_it(make_task, late, series):
    task = make_task("SUCCESS", end=Now()) if late else make_task()
    spooled("a", calling_ae_title="SOURCE", move_originator_ae_title="ADIT")
    long_come()

    def give_up():
        return discard_late_copies("leftovers") if late else discard_leftovers(task.pk, "1.2")

    with ReceiverInbox(shared_spool=False).expect(
        study_instance_uid="1.2",
        series_instance_uids=series,
        sop_instance_uids=None,
        message_id=1,
        calling_ae_title="ADIT",
        server=ServerConfig(name="SOURCE", ae_title="SOURCE"),
    ):
        assert give_up() == 0
    assert give_up() == 1


def test_what_was_given_up_leaves_the_spool(make_task, tmp_path):
    spool = Spool(tmp_path)
    names = [f"{number:032x}.dcm" for number in range(2)]
    for name in names:
        spool.path(name).write_bytes(b"an instance")
        spooled(name)
    ReceivedInstance.objects.filter(path=names[0]).update(discarded=True)
    assert delete_discarded("leftovers", spool) == 1
    assert list(spool.names()) == names[1:]
    assert [row.path for row in ReceivedInstance.objects.all()] == names[1:]


def test_what_others_asked_for_or_of_another_study_stays(make_task):
    spooled("a", move_originator_ae_title="VIEWER")
    spooled("b", study_instance_uid="9.9", series_instance_uid="9.9.1")
    assert discard_leftovers(make_task().pk, "1.2") == 0


def test_nothing_is_given_up_while_another_task_fetches_the_series(make_task):
    task = make_task()
    make_task()
    spooled("a")
    assert discard_leftovers(task.pk, "1.2") == 0


def test_copies_that_come_after_the_end_are_given_up(make_task):
    make_task("SUCCESS")
    spooled("a late")
    spooled("a of another system", move_originator_ae_title="VIEWER")
    spooled("a claimed", claimed_by=NOBODY)
    spooled("a of another series", series_instance_uid="1.2.2")
    long_come()
    spooled("a just come")

    # Ended long ago: somebody sends it for another reason.
    DicomTask.objects.update(end=Now() - timedelta(hours=1))
    assert discard_late_copies("leftovers") == 0
    DicomTask.objects.update(end=Now() - timedelta(minutes=1))
    other = make_task()
    assert discard_late_copies("leftovers") == 0
    DicomTask.objects.filter(pk=other.pk).update(state="CANCELED", lease=None)
    assert discard_late_copies("another receiver") == 0
    assert discard_late_copies("leftovers") == 1
    assert given_up() == {"a late"}


def test_an_ended_task_of_the_same_series_is_no_hindrance(make_task):
    task = make_task()
    make_task("SUCCESS")
    spooled("a")
    assert discard_leftovers(task.pk, "1.2") == 1
