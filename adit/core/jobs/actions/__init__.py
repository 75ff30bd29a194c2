"""Everything that users do to jobs. Pages, API and command line call the same ones."""

from adit.core.jobs.actions.archive import InvalidJob, new_password, password_fault
from adit.core.jobs.actions.base import Conflict, JobAction, NoSuchJob, action_done
from adit.core.jobs.actions.cancel import cancel_job
from adit.core.jobs.actions.create import create_job
from adit.core.jobs.actions.delete import delete_job
from adit.core.jobs.actions.rerun import restart_job, resume_job, retry_job
from adit.core.jobs.actions.verify import verify_job

JOB_ACTIONS: dict[str, JobAction] = {
    action.name: action
    for action in (verify_job, cancel_job, resume_job, retry_job, restart_job, delete_job)
}

__all__ = [
    "JOB_ACTIONS",
    "Conflict",
    "InvalidJob",
    "JobAction",
    "NoSuchJob",
    "action_done",
    "cancel_job",
    "create_job",
    "delete_job",
    "new_password",
    "password_fault",
    "restart_job",
    "resume_job",
    "retry_job",
    "verify_job",
]
