"""Everything that users do to jobs and tasks. Pages, API and command line call the same ones."""

from adit.core.jobs.actions.archive import InvalidJob, new_password, password_fault
from adit.core.jobs.actions.base import Conflict, JobAction, NoSuchJob, action_done, actions_done
from adit.core.jobs.actions.bulk import TASK_ACTIONS, act_on_tasks, fitting_actions
from adit.core.jobs.actions.cancel import cancel_job
from adit.core.jobs.actions.create import create_job
from adit.core.jobs.actions.delete import delete_job
from adit.core.jobs.actions.hurry import may_hurry
from adit.core.jobs.actions.rerun import restart_job, resume_job, retry_job, retry_warned_job
from adit.core.jobs.actions.task_base import BulkOutcome, NoSuchTask, TaskAction
from adit.core.jobs.actions.tasks import delete_task, kill_task, reset_task
from adit.core.jobs.actions.urgency import set_urgent_job, unset_urgent_job
from adit.core.jobs.actions.verify import verify_job

JOB_ACTIONS: dict[str, JobAction] = {
    action.name: action
    for action in (
        verify_job,
        cancel_job,
        resume_job,
        retry_job,
        retry_warned_job,
        restart_job,
        set_urgent_job,
        unset_urgent_job,
        delete_job,
    )
}

__all__ = [
    "JOB_ACTIONS",
    "TASK_ACTIONS",
    "BulkOutcome",
    "Conflict",
    "InvalidJob",
    "JobAction",
    "NoSuchJob",
    "NoSuchTask",
    "TaskAction",
    "act_on_tasks",
    "action_done",
    "actions_done",
    "cancel_job",
    "create_job",
    "delete_job",
    "delete_task",
    "fitting_actions",
    "kill_task",
    "reset_task",
    "may_hurry",
    "new_password",
    "password_fault",
    "restart_job",
    "resume_job",
    "retry_job",
    "retry_warned_job",
    "set_urgent_job",
    "unset_urgent_job",
    "verify_job",
]
