"""Verify: staff lets a job start."""

from adit.core.jobs.actions.base import JobAction, is_staff
from adit.core.models import DicomJob


def _verify(job: DicomJob) -> str:
    DicomJob.objects.filter(pk=job.pk).update(state=DicomJob.State.PENDING)
    return f"Job {job.pk} is verified."


verify_job = JobAction(
    name="verify",
    label="Verify",
    icon="patch-check",
    phrase="verify {}",
    past="Verified",
    allowed=is_staff,
    fits=lambda job: job.state == DicomJob.State.UNVERIFIED,
    effect=_verify,
)
