"""What the workers call for a row of the queue."""

from __future__ import annotations

from procrastinate import Blueprint

from adit.core.jobs import queue

blueprint = Blueprint()


@blueprint.task(name="run_task", queue=queue.DICOM_QUEUE)
async def run_task(task_id: int) -> None:
    from adit.core.jobs.runner import TaskRunner

    await TaskRunner(task_id).run()


@blueprint.task(name="send_job_mail", queue=queue.DEFAULT_QUEUE, retry=queue.MAIL_RETRIES)
def send_job_mail(job_id: int, mail: str) -> None:
    from adit.core.jobs.mails import send_mail_about

    send_mail_about(queue.Mail(mail), job_id)
