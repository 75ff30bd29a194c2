import uuid

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction

from adit.core.factories import DicomServerFactory, UserFactory
from adit.core.jobs.actions.create import insert_tasks
from adit.core.jobs.states import derive_job_state, lock_job
from adit.core.models import DicomJob, DicomTask
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask


@pytest.fixture
def make_user(db):
    def make(*permissions, **changes):
        user = UserFactory(**changes)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        return user

    return make


@pytest.fixture
def owner(make_user):
    return make_user()


@pytest.fixture
def staff(make_user):
    return make_user(is_staff=True)


@pytest.fixture
def make_job(db):
    """A job of tasks in the given states, as if workers had been at it."""
    source = DicomServerFactory(name="SOURCE", max_tasks=1)
    destination = DicomServerFactory(name="DESTINATION")

    def make(owner, *states, job_state=DicomJob.State.PENDING, pseudonym="", **changes):
        job = SelectiveTransferJob(kind="selective_transfer", owner=owner, state=job_state)
        job.save(force_insert=True)
        tasks = [
            SelectiveTransferTask(
                job=job,
                line=line,
                source=source,
                destination=destination,
                patient_id=f"PAT{line}",
                study_instance_uid=f"1.2.{line}",
                pseudonym=pseudonym,
                state=state,
                lease=uuid.uuid4() if state == DicomTask.State.IN_PROGRESS else None,
                **changes,
            )
            for line, state in enumerate(states, start=1)
        ]
        insert_tasks(SelectiveTransferTask, tasks)
        with transaction.atomic():
            lock_job(job.pk)
            derive_job_state(job.pk)
        return DicomJob.objects.get(pk=job.pk)

    return make
