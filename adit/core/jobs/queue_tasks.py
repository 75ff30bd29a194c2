"""What the workers call for a row of the queue."""

from __future__ import annotations

from procrastinate.contrib.django import app

from adit.core.jobs import queue


@app.task(name=queue.RUN_TASK, queue=queue.DICOM_QUEUE)
async def run_task(task_id: int) -> None:
    from adit.core.jobs.runner import TaskRunner

    await TaskRunner(task_id).run()


@app.task(name=queue.SEND_JOB_MAIL, queue=queue.DEFAULT_QUEUE)
def send_job_mail(job_id: int) -> None:
    from adit.core.jobs.mails import send_finished_mail

    send_finished_mail(job_id)
