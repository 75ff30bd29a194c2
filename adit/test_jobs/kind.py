"""Tasks that follow a script, which stands in their column `protocol`."""

from __future__ import annotations

import os
import signal
import time

import psycopg
from django.db import connection

from adit.core.dicom import PermanentDicomError, TransientDicomError
from adit.core.jobs.registry import JobKind, Processor
from adit.core.jobs.run import TaskRun
from adit.core.models import DicomJob, DicomTask, TaskResult


def follow_script(task: DicomTask, run: TaskRun) -> TaskResult:
    """Do what the script says.

    "" succeeds, `warn` and `fail` end so, `transient` and `permanent` raise, `quote Name` meets an
    error that quotes the name, `die` kills the process, `eat` allocates without end, `full` finds
    no room on the disk, `unplug` loses a database connection of its own, `hang` ignores that it is
    canceled, `sleep 2.5` takes so many seconds.
    """
    word, _, argument = task.protocol.partition(" ")
    state = DicomTask.State
    if word == "sleep":
        run.cancel.wait(float(argument))
    elif word == "hang":
        time.sleep(3600)
    elif word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "eat":
        eaten = []
        while True:
            eaten.append(bytearray(os.urandom(1) * 16_000_000))
    elif word == "quote":
        int(argument)
    elif word == "full":
        raise OSError(28, "No space left on device", str(run.folder / "instance"))
    elif word == "unplug":
        with psycopg.connect(**connection.get_connection_params()) as own:
            own.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    elif word == "transient":
        raise TransientDicomError("The PACS does not answer.")
    elif word == "permanent":
        raise PermanentDicomError("There is no such study.")
    results = {"warn": state.WARNING, "fail": state.FAILURE}
    return TaskResult(results.get(word, state.SUCCESS), "Done.")


def _processor() -> Processor:
    return follow_script


SCRIPTED = JobKind(
    key="scripted",
    label="Scripted",
    job_model=DicomJob,
    task_model=DicomTask,
    processor=_processor,
    priority=4,
    urgent_priority=8,
    add_permission="core.add_dicomjob",
    url_name="core:home",
    icon="gear",
)

BULK = JobKind(
    key="scripted_bulk",
    label="Scripted in bulk",
    job_model=DicomJob,
    task_model=DicomTask,
    processor=_processor,
    priority=1,
    urgent_priority=5,
    add_permission="core.add_dicomjob",
    url_name="core:home",
    icon="gear",
)
