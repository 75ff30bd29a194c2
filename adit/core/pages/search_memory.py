"""What a user searches for, kept in his session on the server.

A search may be a patient ID, which must stand neither in an address nor in a log: it comes by POST
and is kept here for the reload of the page, the way back to it, and the next page of the table.
"""

from __future__ import annotations

import time
from typing import Any

from django.utils.crypto import salted_hmac

_KEY = "searches"
MAX_LENGTH = 64
# A search is forgotten after so long without use, and when so many others came after it.
KEPT_SECONDS = 30 * 60
KEPT = 10

JOBS = "jobs"


def tasks_of(job_id: int) -> str:
    """The name of the search in the tasks of a job."""
    return f"tasks-{job_id}"


def clean_search(text: str) -> str:
    """The text without what cannot be seen, no longer than an identifier."""
    return "".join(c for c in text if c.isprintable()).strip()[:MAX_LENGTH]


def recall(session: Any, name: str) -> str:
    """The last search of this name, empty where there is none."""
    text, when = session.get(_KEY, {}).get(name, ("", 0))
    return text if time.time() - when < KEPT_SECONDS else ""


def remember(session: Any, name: str, text: str) -> None:
    """Keep a search, or with an empty text forget it."""
    searches = {key: kept for key, kept in session.get(_KEY, {}).items() if key != name}
    if not text and len(searches) == len(session.get(_KEY, {})):
        return
    if text:
        searches[name] = (text, time.time())
    session[_KEY] = dict(list(searches.items())[-KEPT:])


def mark_of(text: str) -> str:
    """What tells one search from another in an address, and tells nobody what was searched for."""
    return salted_hmac("adit.core.pages.search_memory", text).hexdigest()[:16] if text else ""


def recall_marked(session: Any, name: str, mark: str) -> str | None:
    """The search that a page was made for; None where it has been forgotten, or another one has
    taken its place, as in another tab."""
    if not mark:
        return ""
    text = recall(session, name)
    return text if mark_of(text) == mark else None
