"""Deletes jobs with all that belongs to them."""

from __future__ import annotations

from typing import Any

from adit.core.jobs.registry import concrete_job, get_kind
from adit.core.models import DicomJob

# So many tasks at once: their raw logs come into memory with them.
_AT_ONCE = 500


def delete_with_tasks(job: DicomJob) -> int:
    """Delete a job and its tasks, within the caller's transaction; returns how many tasks it had.

    The tasks go first, as objects of their own kind: of those that Django finds by itself behind a
    job it would read the common row one by one.
    """
    model: Any = get_kind(job.kind).task_model
    tasks = model.objects.filter(job_id=job.pk)
    number = 0
    while ids := list(tasks.order_by("pk").values_list("pk", flat=True)[:_AT_ONCE]):
        tasks.filter(pk__in=ids).delete()
        number += len(ids)
    concrete_job(job).delete()
    return number
