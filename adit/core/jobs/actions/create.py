"""Create: a job and its tasks are stored together and dispatched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import Field

from adit.core.jobs.actions.archive import check_options, create_archive
from adit.core.jobs.actions.base import action_done
from adit.core.jobs.actions.hurry import may_hurry
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.notify import notify_job
from adit.core.jobs.queue import Mail, defer_mail
from adit.core.jobs.registry import JobKind
from adit.core.models import DicomJob, DicomTask
from adit.core.words import counted

if TYPE_CHECKING:
    from adit.accounts.models import User

TaskT = TypeVar("TaskT", bound=DicomTask)


def create_job(
    user: User,
    kind: JobKind,
    job: DicomJob,
    tasks: Sequence[DicomTask],
    *,
    verified: bool = True,
    archive_password: str = "",
) -> DicomJob:
    """Store `job` for `user` with its `tasks`, in one transaction, and let it start if verified.

    With `archive_password` all that is delivered goes into one archive.

    Raises:
        InvalidJob: what is asked for cannot be done at the destination.
        PermissionDenied: the user may not create jobs of this kind, or not urgent ones, or may not
            use one of the nodes or the profile.
    """
    assert tasks, "a job has at least one task"
    _check_rights(user, kind, job, tasks)
    check_options(job, tasks, archive_password)
    with transaction.atomic():
        job.kind = kind.key
        job.owner = user
        job.group = user.active_group
        job.state = DicomJob.State.PENDING if verified else DicomJob.State.UNVERIFIED
        job.save(force_insert=True)
        for line, task in enumerate(tasks, start=1):
            task.job = job
            task.line = line
            task.delivers_to_id = getattr(task, "destination_id", None)
        insert_tasks(kind.task_model, tasks)
        if archive_password:
            create_archive(job, tasks, archive_password)
        notify_job(job.pk)
        if not verified:
            defer_mail(Mail.UNVERIFIED, job.pk, job.state)
        action_done.send(
            JobKind, user=user, action="job.create", object=job, outcome=counted(len(tasks), "task")
        )
    dispatch()
    return job


def _check_rights(user: User, kind: JobKind, job: DicomJob, tasks: Sequence[DicomTask]) -> None:
    from adit.core.models import DeidProfile, DicomNode

    if not user.has_perm(kind.add_permission):
        raise PermissionDenied(f"You may not create jobs of the kind {kind.label}.")
    if job.urgent and not may_hurry(user):
        raise PermissionDenied("You may not start urgent jobs.")
    sources = {task.source_id for task in tasks}
    if sources - set(DicomNode.objects.sources_of(user).values_list("pk", flat=True)):
        raise PermissionDenied("Your active group may not read from this source.")
    destinations = {pk for task in tasks if (pk := getattr(task, "destination_id", None))}
    if destinations - set(DicomNode.objects.destinations_of(user).values_list("pk", flat=True)):
        raise PermissionDenied("Your active group may not write to this destination.")
    unchanged = not getattr(job, "profile_id", None) or any(
        not getattr(task, "pseudonym", "") for task in tasks
    )
    profile = getattr(job, "profile_id", None)
    if profile and not DeidProfile.objects.usable_by(user).filter(pk=profile).exists():
        raise PermissionDenied("Your active group may not use this profile, or a newer one is out.")
    moves = hasattr(job, "profile_id")
    if moves and unchanged and not user.has_perm("core.can_transfer_unpseudonymized"):
        raise PermissionDenied("You may transfer only with a pseudonym.")


def insert_tasks(model: type[TaskT], tasks: Iterable[TaskT]) -> None:
    """Insert tasks of a kind: their rows in the common table, then in their own, each by one COPY.

    Django's `bulk_create` refuses models with a concrete parent; thousands of tasks would take
    two round trips each.
    """
    tasks = list(tasks)
    table = DicomTask._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [table, len(tasks)],
        )
        for task, (pk,) in zip(tasks, cursor.fetchall(), strict=True):
            task.pk = task.id = pk
        _copy(cursor, table, DicomTask._meta.concrete_fields, tasks)
        if model is not DicomTask:
            _copy(cursor, model._meta.db_table, model._meta.local_concrete_fields, tasks)


def _copy(cursor: Any, table: str, fields: Sequence[Field], tasks: Sequence[DicomTask]) -> None:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    with cursor.copy(f"COPY {quote(table)} ({columns}) FROM STDIN") as copy:
        for task in tasks:
            copy.write_row([f.get_db_prep_save(f.pre_save(task, True), connection) for f in fields])
