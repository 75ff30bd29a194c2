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
def send_job_mail(job_id: int, mail: str, state: str, message: str) -> None:
    from adit.core.jobs.mails import send_mail_about

    send_mail_about(queue.Mail(mail), job_id, state, message)


@blueprint.task(name="run_archive", queue=queue.DICOM_QUEUE)
async def run_archive(job_id: int) -> None:
    from adit.core.jobs.archive_runner import run_archive
    from adit.core.jobs.runner import worker_name

    await run_archive(job_id, worker_name())


@blueprint.task(name="send_folder_mail", queue=queue.DEFAULT_QUEUE)
def send_folder_mail(folder_id: int) -> None:
    from adit.core.jobs.folder_mails import send_folder_mail

    send_folder_mail(folder_id)
