"""The WebSockets of the pages of jobs: HTML fragments, at most once a second."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.http import QueryDict

from adit.accounts.models import User
from adit.core.models import DicomJob, DicomTask
from adit.core.pages.feeds import HEARTBEAT, Fragments, Topic, all_feeds
from adit.core.pages.identifiers import id_list
from adit.core.pages.job_search import JobChoices
from adit.core.pages.live import job_listener
from adit.core.pages.search_memory import JOBS, recall_marked
from adit.core.pages.session import current_user, session_key_of
from adit.core.pages.topics import HomeTopic, JobTopic, ListTopic, TaskTopic

# Close codes of ours (4000 to 4999 are for applications); browsers do not reconnect after them.
NOT_ALLOWED = 4403
GONE = 4404


class NowhereConsumer(AsyncWebsocketConsumer):
    """Turns away who asks for a WebSocket that there is none of."""

    async def connect(self) -> None:
        await self.close(GONE)


class LiveConsumer(AsyncWebsocketConsumer):
    """Watches a topic and sends of its fragments those that differ from the last.

    A new connection gets all of them, so that a page is complete however long it was cut off.
    """

    # A fragment that holds all others: it is sent, alone, when those are others than before.
    WHOLE: ClassVar[str] = ""

    async def connect(self) -> None:
        self._sent: Fragments = {}
        self._topic: Topic | None = None
        self.session_key = session_key_of(dict(self.scope))
        self.query = QueryDict(self.scope["query_string"])
        self.rows = frozenset(id_list(self.query.get("tasks", "")))
        topic = await database_sync_to_async(self._find_topic)()
        if topic is None:
            await self.close(NOT_ALLOWED)
            return
        await self.accept()
        job_listener().start()
        self._topic = topic
        all_feeds().join(topic, self)

    async def disconnect(self, code: int) -> None:
        if self._topic is not None:
            all_feeds().leave(self._topic, self)

    def _find_topic(self) -> Topic | None:
        user = current_user(dict(self.scope))
        return None if user is None else self.find_topic(user)

    def find_topic(self, user: User) -> Topic | None:
        """What to watch, None where the user may not see it. Runs in a thread."""
        raise NotImplementedError

    async def show(self, fragments: Fragments) -> None:
        before, self._sent = self._sent, dict(fragments)
        news = [key for key, html in fragments.items() if before.get(key) != html]
        if self.WHOLE:
            whole = list(before) != list(fragments)
            news = [key for key in news if (key == self.WHOLE) == whole]
        # One message each: a parser drops table rows that stand beside other elements.
        for key in news:
            await self.send(text_data=fragments[key])

    async def heartbeat(self) -> None:
        await self.send(text_data=HEARTBEAT)

    async def turn_away(self) -> None:
        await self.close(NOT_ALLOWED)


class JobConsumer(LiveConsumer):
    """`/ws/jobs/<id>/`: a job's page (`?tasks=1,2` or a message: the rows on the screen)
    or, with `?task=<id>`, the page of one of its tasks."""

    def find_topic(self, user: User) -> Topic | None:
        job_id = int(self.scope["url_route"]["kwargs"]["job_id"])  # type: ignore[typeddict-item]
        if not DicomJob.objects.visible_to(user).filter(pk=job_id).exists():
            return None
        if "task" not in self.query:
            return JobTopic(job_id)
        for task_id in id_list(self.query["task"]):
            if DicomTask.objects.filter(pk=task_id, job_id=job_id).exists():
                return TaskTopic(job_id, task_id)
        return None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The page tells which rows of the table are on the screen now: `{"tasks": "1,2"}`."""
        try:
            shown = str(json.loads(text_data or "{}")["tasks"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        rows = frozenset(id_list(shown))
        if self._topic is not None and rows != self.rows:
            self.rows = rows
            all_feeds().refresh(self._topic)


class HomeConsumer(LiveConsumer):
    """`/ws/jobs/`: the home page."""

    def find_topic(self, user: User) -> Topic | None:
        return HomeTopic(user.pk, user.is_staff)


class JobListConsumer(LiveConsumer):
    """`/ws/jobs/list/` with the query of a list of jobs: that list."""

    WHOLE = "job-table"

    def find_topic(self, user: User) -> Topic | None:
        session: Any = self.scope["session"]  # type: ignore[typeddict-item]
        search = recall_marked(session, JOBS, self.query.get("searched", ""))
        if search is None:
            return None
        return ListTopic(user.pk, JobChoices.from_query(user, self.query, search))
