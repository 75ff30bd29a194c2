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
from adit.core.receiver.leftovers import discard_leftovers

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
    assert not ReceivedInstance.objects.exists()


def test_what_others_asked_for_or_of_another_study_stays(make_task):
    spooled("a", move_originator_ae_title="VIEWER")
    spooled("b", study_instance_uid="9.9", series_instance_uid="9.9.1")
    assert discard_leftovers(make_task().pk, "1.2") == 0


def test_nothing_is_given_up_while_another_task_fetches_the_series(make_task):
    task = make_task()
    make_task()
    spooled("a")
    assert discard_leftovers(task.pk, "1.2") == 0


def test_an_ended_task_of_the_same_series_is_no_hindrance(make_task):
    task = make_task()
    make_task("SUCCESS")
    spooled("a")
    assert discard_leftovers(task.pk, "1.2") == 1
