from datetime import timedelta

import pytest
from django.db.models.functions import Now

from adit.core.factories import DicomServerFactory, UserFactory
from adit.core.models import (
    DicomJob,
    DicomNode,
    DicomTask,
    ReceivedInstance,
    SeriesTransfer,
)
from adit.core.receiver.housekeeping import delete_discarded
from adit.core.receiver.leftovers import discard_late_copies, discard_leftovers, is_leftover
from adit.core.receiver.spool import Spool

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def make_task():
    user, server = UserFactory(), DicomServerFactory()

    def make(state="IN_PROGRESS"):
        job = DicomJob.objects.create(kind="test", owner=user, state="IN_PROGRESS")
        lease = "00000000-0000-0000-0000-000000000001" if state == "IN_PROGRESS" else None
        source = DicomNode.objects.get(pk=server.pk)
        task = DicomTask.objects.create(
            job=job, source=source, state=state, lease=lease, queued=Now()
        )
        SeriesTransfer.objects.create(task=task, series_instance_uid="1.2.1")
        return task

    return make


def spooled(name, **changes):
    values = {"study_instance_uid": "1.2", "series_instance_uid": "1.2.1"} | changes
    return ReceivedInstance.objects.create(
        receiver="leftovers", path=name, sop_instance_uid=name, size=1, sha256="", **values
    )


def test_second_copies_of_a_complete_task_are_given_up(make_task):
    spooled("a", move_originator_ae_title="ADIT")
    spooled("b", claimed_by="00000000-0000-0000-0000-000000000009")
    assert discard_leftovers(make_task().pk, "1.2") == 2
    assert ReceivedInstance.objects.filter(discarded=True).count() == 2


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


def test_what_another_server_sent_stays_for_it_may_be_another_content(make_task):
    task = make_task("SUCCESS")
    SeriesTransfer.objects.filter(task=task).update(state="SUCCESS")
    DicomTask.objects.filter(pk=task.pk).update(end=Now())
    DicomServerFactory(ae_title="OTHER")
    before = Now() - timedelta(seconds=20)
    spooled("a", calling_ae_title="OTHER", received_at=before)
    assert discard_leftovers(task.pk, "1.2") == discard_late_copies("leftovers") == 0
    assert not is_leftover("1.2.1", "OTHER") and is_leftover("1.2.1", "STRANGER")
    spooled("b", calling_ae_title="STRANGER", received_at=before)
    assert discard_late_copies("leftovers") == 1


def test_nothing_is_given_up_while_another_task_fetches_the_series(make_task):
    task = make_task()
    make_task()
    spooled("a")
    assert discard_leftovers(task.pk, "1.2") == 0


def test_copies_that_come_after_the_end_are_given_up(make_task):
    task = make_task("SUCCESS")
    SeriesTransfer.objects.filter(task=task).update(state="SUCCESS")
    before = Now() - timedelta(seconds=20)
    spooled("late")
    spooled("of another system", move_originator_ae_title="VIEWER")
    spooled("claimed", claimed_by="00000000-0000-0000-0000-000000000009")
    spooled("of another series", series_instance_uid="1.2.2")
    ReceivedInstance.objects.update(received_at=before)
    spooled("just come")

    def given_up():
        count = discard_late_copies("leftovers")
        rows = ReceivedInstance.objects.filter(discarded=True)
        return count, list(rows.values_list("path", flat=True))

    # Ended long ago: somebody sends it for another reason.
    DicomTask.objects.update(end=Now() - timedelta(hours=1))
    assert given_up() == (0, [])
    DicomTask.objects.update(end=Now() - timedelta(minutes=1))
    other = make_task()
    assert given_up() == (0, [])
    DicomTask.objects.filter(pk=other.pk).update(state="CANCELED", lease=None)
    assert discard_late_copies("another receiver") == 0
    assert given_up() == (1, ["late"])


def test_an_ended_task_of_the_same_series_is_no_hindrance(make_task):
    task = make_task()
    make_task("SUCCESS")
    spooled("a")
    assert discard_leftovers(task.pk, "1.2") == 1
