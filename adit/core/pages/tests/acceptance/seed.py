"""Puts jobs into the database of a running system, in states of which no worker moves them, and
logs users in.

    python -m adit.core.pages.tests.acceptance.seed

Reads a job a line, as JSON: `{"owner": "researcher", …}`. Its source is suspended, and who runs has
a lease for a day; so what the pages show is what a test writes. Answers each line with the ids of
the job and of its tasks, or an error, as JSON. `{"log_in": "researcher"}` is answered with the
cookies of a new session.
"""

import json
import os
import sys
import traceback
import uuid
from datetime import timedelta
from typing import Any

SOURCE = "Sleeping archive"


def seed(
    owner: str, state: str, tasks: list[str], pseudonym: str = "", urgent: bool = False
) -> Any:
    from django.utils import timezone

    from adit.accounts.models import User
    from adit.core.jobs.actions.create import insert_tasks
    from adit.core.models import (
        DicomFolder,
        DicomNode,
        DicomServer,
        DicomTask,
        SeriesTransfer,
        TaskEvent,
    )
    from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask

    server, _ = DicomServer.objects.get_or_create(
        name=SOURCE,
        defaults={"ae_title": "SLEEPING", "host": "127.0.0.1", "port": 9, "is_suspended": True},
    )
    source = DicomNode.objects.get(pk=server.pk)
    destination = DicomNode.objects.get(pk=DicomFolder.objects.order_by("pk")[0].pk)
    now = timezone.now()
    ended = state in SelectiveTransferJob.ENDED
    job = SelectiveTransferJob.objects.create(
        kind="selective_transfer",
        owner=User.objects.get(username=owner),
        state=state,
        urgent=urgent,
        message=_message(tasks) if ended or state == "IN_PROGRESS" else "",
        start=now - timedelta(minutes=4) if state not in ("UNVERIFIED", "PENDING") else None,
        end=now if ended else None,
        trial_protocol_id="LUNG-7",
    )
    rows = [
        SelectiveTransferTask(
            job=job,
            source=source,
            destination=destination,
            pseudonym=f"{pseudonym}{line:03}" if pseudonym else "",
            **_columns(job.pk, line, word, now),
        )
        for line, word in enumerate(tasks, 1)
    ]
    insert_tasks(SelectiveTransferTask, rows)
    began = [row for row in rows if row.state not in ("PENDING", "CANCELED")]
    SeriesTransfer.objects.bulk_create(
        SeriesTransfer(
            task_id=row.pk,
            series_instance_uid=f"1.2.3.{row.line}.{number}",
            series_number=number,
            modality="CT",
            description="Thorax 1.0 mm",
            state="IN_PROGRESS" if row.state == DicomTask.State.IN_PROGRESS else row.state,
            expected=120,
            received=80,
            sent=80,
            confirmed=70,
        )
        for row in began[:40]
        for number in (1, 2)
    )
    TaskEvent.objects.bulk_create(
        TaskEvent(task_id=row.pk, job_id=job.pk, text=text, level=level)
        for row in began[:40]
        for text, level in _events(row.state)
    )
    return {"job": job.pk, "tasks": [row.pk for row in rows]}


def log_in(name: str) -> Any:
    """What the log-in page does once it has the password."""
    from django.conf import settings
    from django.contrib.auth import login
    from django.contrib.sessions.backends.db import SessionStore
    from django.http import HttpRequest

    from adit.accounts.models import User

    request = HttpRequest()
    request.session = SessionStore()
    login(request, User.objects.get(username=name), settings.AUTHENTICATION_BACKENDS[0])
    request.session.save()
    return {
        settings.SESSION_COOKIE_NAME: request.session.session_key,
        settings.CSRF_COOKIE_NAME: request.META["CSRF_COOKIE"],
    }


def _message(tasks: list[str]) -> str:
    words = {"WARNING": "with warnings", "FAILURE": "failed", "CANCELED": "canceled"}
    parts = [f"{tasks.count('SUCCESS')} of {len(tasks)} succeeded"]
    parts += [f"{tasks.count(word)} {text}" for word, text in words.items() if word in tasks]
    return ", ".join(parts)


def _events(state: str) -> list[tuple[str, str]]:
    events = [("Started on worker-1, attempt 1.", "info"), ("Planned 240 instances.", "info")]
    if state == "FAILURE":
        events.append(("The source does not answer.", "error"))
    return events


def _columns(job_id: int, line: int, state: str, now: Any) -> dict[str, Any]:
    running = state == "IN_PROGRESS"
    began = state not in ("PENDING", "CANCELED")
    notes = {"FAILURE": "The source does not answer.", "WARNING": "2 instances are excluded."}
    return dict(
        line=line,
        state=state,
        patient_id=f"PAT{line:04}",
        study_instance_uid=f"1.2.826.0.{job_id}.{line}",
        study_date=now.date(),
        study_description="CT Thorax with contrast",
        modalities=["CT", "SR"],
        message=notes.get(state, ""),
        instances_expected=240 if began else 0,
        instances_done=240 if state == "SUCCESS" else 140 if began else 0,
        bytes_done=140 * 526_000 if began else 0,
        instances_per_second=12.5 if running else 0,
        phase="delivering" if running else "",
        protocol="C-GET" if began else "",
        attempts=1 if began else 0,
        lease=uuid.uuid4() if running else None,
        lease_until=now + timedelta(days=1) if running else None,
        worker="worker-1" if running else "",
        start=now - timedelta(minutes=4) + timedelta(seconds=line) if began else None,
        end=now if began and not running else None,
        log="raw line of the log" if began else "",
    )


def main() -> None:
    import django
    from django.db import close_old_connections

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "adit.settings")
    django.setup()
    for line in sys.stdin:
        close_old_connections()
        try:
            asked = json.loads(line)
            answer = log_in(asked["log_in"]) if "log_in" in asked else seed(**asked)
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
