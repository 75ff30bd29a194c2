"""What administrators do with instances that no task has taken over."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models.functions import Now

from adit.core.jobs.actions import Conflict, action_done, retry_job
from adit.core.jobs.deadlocks import again_after_deadlock
from adit.core.models import DicomJob, DicomTask, ReceivedInstance, SeriesTransfer

if TYPE_CHECKING:
    from adit.accounts.models import User


def discard_instances(user: "User", ids: Collection[int]) -> int:
    """Let the receivers delete unclaimed instances; returns how many.

    Raises:
        PermissionDenied: The user may not.
    """
    if not (user.is_staff and user.has_perm("core.delete_receivedinstance")):
        raise PermissionDenied
    with transaction.atomic():
        rows = (
            ReceivedInstance.objects.select_for_update()
            .order_by("pk")
            .filter(pk__in=ids, claimed_by=None, discarded=False)
        )
        found = list(rows)
        ReceivedInstance.objects.filter(pk__in=[row.pk for row in found]).update(discarded=True)
        for row in found:
            action_done.send(
                discard_instances,
                user=user,
                action="quarantine.discard",
                object=row,
                outcome="The receiver deletes it.",
            )
    return len(found)


def hand_over_instances(user: "User", ids: Collection[int]) -> tuple[int, int]:
    """Offer unclaimed instances to tasks again, and let failed tasks of their series try again.

    Returns:
        How many instances, and how many jobs.

    Raises:
        PermissionDenied: The user may not.
    """
    if not (user.is_staff and user.has_perm("core.change_receivedinstance")):
        raise PermissionDenied
    # It takes several jobs in one transaction, which may cross another one.
    return again_after_deadlock(lambda: _hand_over(user, ids))


def _hand_over(user: "User", ids: Collection[int]) -> tuple[int, int]:
    jobs = 0
    rows = (
        ReceivedInstance.objects.select_for_update()
        .order_by("pk")
        .filter(pk__in=ids, claimed_by=None, discarded=False)
    )
    found = list(rows)
    ReceivedInstance.objects.filter(pk__in=[row.pk for row in found]).update(
        quarantined_at=None, conflicting=False, received_at=Now()
    )
    for job_id in _failed_jobs({row.series_instance_uid for row in found} - {""}):
        try:
            retry_job(user, job_id)
        except Conflict:
            continue
        jobs += 1
    for row in found:
        action_done.send(
            hand_over_instances,
            user=user,
            action="quarantine.hand_over",
            object=row,
            outcome="It is offered to tasks again.",
        )
    return len(found), jobs


def _failed_jobs(series: Collection[str]) -> list[int]:
    ended = (DicomTask.State.FAILURE, DicomTask.State.WARNING)
    tasks = SeriesTransfer.objects.filter(
        series_instance_uid__in=series, task__state__in=ended
    ).values("task__job_id")
    jobs = DicomJob.objects.filter(pk__in=tasks).order_by("pk")
    return list(jobs.values_list("pk", flat=True))
