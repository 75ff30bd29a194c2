"""Who sees what leads from a pseudonym back to the patient, and tasks without it.

On pages the owner of a job sees what he entered. Everybody else, and whoever takes it away in a
document (receipt, export, API), needs the permission.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from django.db.models import F, Q

from adit.core.jobs.registry import get_kind
from adit.core.models import DicomJob, DicomTask, TaskEvent, TransferTask

IDENTIFIERS_PERMISSION = "core.view_identifiers_in_receipts"
HIDDEN = "[hidden]"

# UIDs but for those of the standard itself (PS3.5 9, PS3.6 Annex A), which name no patient.
_UID = r"(?<![0-9.])(?!1\.2\.840\.10008\.)[0-2](?:\.[0-9]+){5,}"
_UID_PATTERN = re.compile(_UID)
_UID_IN_SQL = r"(^|[^0-9.])(?!1\.2\.840\.10008\.)[0-2](\.[0-9]+){5,}"
# A shorter patient ID is part of ordinary words and numbers; one of some length is none even
# between letters and digits, as in the name of a file.
_SHORTEST, _SHORTEST_ANYWHERE = 3, 6


def may_see_source(user: Any, pseudonym: str) -> bool:
    """Identifiers of the source are for everybody where nothing was pseudonymised, else for those
    with the permission."""
    return not pseudonym or user.has_perm(IDENTIFIERS_PERMISSION)


def sees_sources(user: Any, job: DicomJob) -> bool:
    """Whether the pages of a job show the user the sources behind its pseudonyms."""
    return user.pk == job.owner_id or user.has_perm(IDENTIFIERS_PERMISSION)


def without_source(text: str, task: Any) -> str:
    """The text without the task's patient ID, and without UIDs.

    Messages should hold neither; but some quote what a peer answered.
    """
    patient_id = getattr(task, "patient_id", "")
    if len(patient_id) >= _SHORTEST:
        needle = re.escape(patient_id)
        if len(patient_id) < _SHORTEST_ANYWHERE:
            needle = rf"(?<![^\W_]){needle}(?![^\W_])"
        text = re.sub(needle, HIDDEN, text, flags=re.IGNORECASE)
    return _UID_PATTERN.sub(HIDDEN, text)


def hides_source(task: Any, sees: bool) -> bool:
    """Whether the task has a pseudonym behind which the reader may not look."""
    return not sees and bool(getattr(task, "pseudonym", ""))


def as_seen(task: Any, sees: bool) -> Any:
    """The task, or where the reader may not see its source a copy that holds nothing of it: what
    renders it cannot show it. Its message, note and log are without it, too."""
    if not hides_source(task, sees):
        return task
    seen = copy.copy(task)
    for name in ("message", "note", "log"):
        if seen.__dict__.get(name):
            setattr(seen, name, without_source(seen.__dict__[name], task))
    seen.patient_id = seen.study_instance_uid = seen.study_description = ""
    seen.series_instance_uids, seen.study_date = [], None
    return seen


def series_as_seen(series: Any, task: Any, sees: bool) -> Any:
    """The row of the ledger likewise."""
    if not hides_source(task, sees):
        return series
    seen = copy.copy(series)
    seen.series_instance_uid = seen.description = ""
    seen.reason = without_source(series.reason, task)
    return seen


def event_as_seen(event: TaskEvent, task: Any, sees: bool) -> TaskEvent:
    """The line of the task's history likewise."""
    if task is None or not hides_source(task, sees):
        return event
    seen = copy.copy(event)
    seen.text = without_source(event.text, task)
    return seen


def events_as_seen(job: DicomJob, events: Iterable[TaskEvent], sees: bool) -> list[TaskEvent]:
    """The history of a job; the events come with `link_to_kind`."""
    link = link_to_kind(job)
    return [
        event_as_seen(event, link and getattr(event.task, link, None), sees) for event in events
    ]


def link_to_kind(job: DicomJob) -> str:
    """The name by which a task of the job leads to the columns of its app, if those are a
    transfer's."""
    model: Any = get_kind(job.kind).task_model
    if not issubclass(model, TransferTask):
        return ""
    link: Any = model._meta.get_ancestor_link(DicomTask)
    return link.remote_field.get_accessor_name()


def found_in_source(sees: bool, matches: Q) -> Q:
    """A search in what a reader may not see of some tasks finds none of those, for the number of
    hits would tell it."""
    return matches if sees else Q(pseudonym="") & matches


def found_in_message(model: Any, sees: bool, text: str) -> Q:
    """Tasks by their message; none by one that quotes what the reader may not see."""
    matches = Q(message__icontains=text)
    if sees or not issubclass(model, TransferTask):
        return matches
    quotes = ~Q(patient_id="") & Q(message__icontains=F("patient_id"))
    clean = ~quotes & ~Q(message__regex=_UID_IN_SQL)
    return matches & (Q(pseudonym="") | clean)
