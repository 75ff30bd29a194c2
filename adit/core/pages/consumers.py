"""The WebSockets of the pages of jobs: HTML fragments, at most once a second."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from adit.accounts.models import User
from adit.core.models import DicomJob
from adit.core.pages.fragments import (
    Fragments,
    home_fragments,
    job_fragments,
    list_fragments,
    task_fragments,
)
from adit.core.pages.identifiers import id_list
from adit.core.pages.live import ALL_JOBS_GROUP, EVERYBODY_GROUP, job_group, job_listener
from adit.core.pages.session import current_user

# Close codes of ours (4000 to 4999 are for applications); browsers do not reconnect after them.
NOT_ALLOWED = 4403
GONE = 4404


class NowhereConsumer(AsyncWebsocketConsumer):
    """Turns away who asks for a WebSocket that there is none of."""

    async def connect(self) -> None:
        await self.close(GONE)


class LiveConsumer(AsyncWebsocketConsumer):
    """Sends fragments when it connects and after changes; only those that differ from the last.

    Rights are checked each time before something is sent.
    """

    INTERVAL = 1.0

    async def connect(self) -> None:
        # The groups are joined before the first look, so that no change falls in between.
        self._sent: Fragments = {}
        self._timer: asyncio.Task[None] | None = None
        self._last = 0.0
        query = parse_qs(self.scope["query_string"].decode())
        self.options = {name: values[-1] for name, values in query.items()}
        self._groups = [EVERYBODY_GROUP, *self.groups_to_join()]
        for group in self._groups:
            await self.channel_layer.group_add(group, self.channel_name)
        job_listener().start()
        fragments = await self._render()
        if fragments is None:
            await self.close(NOT_ALLOWED)
            return
        await self.accept()
        await self._send(fragments)

    async def disconnect(self, code: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for group in self._groups:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def jobs_missed(self, event: dict[str, Any]) -> None:
        self._refresh_soon()

    async def jobs_changed(self, event: dict[str, Any]) -> None:
        if self.concerns(event["jobs"]):
            self._refresh_soon()

    def _refresh_soon(self) -> None:
        if self._timer is None or self._timer.done():
            self._timer = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._last + self.INTERVAL - loop.time()))
        # A change from here on needs another look.
        self._timer = None
        fragments = await self._render()
        if fragments is None:
            await self.close(NOT_ALLOWED)
            return
        await self._send(fragments)

    async def _send(self, fragments: Fragments) -> None:
        self._last = asyncio.get_running_loop().time()
        news = [html for key, html in fragments.items() if self._sent.get(key) != html]
        self._sent.update(fragments)
        # One message each: a parser drops table rows that stand beside other elements.
        for html in news:
            await self.send(text_data=html)

    async def _render(self) -> Fragments | None:
        def render() -> Fragments | None:
            user = current_user(dict(self.scope))
            return None if user is None else self.render(user)

        return await database_sync_to_async(render)()

    def groups_to_join(self) -> list[str]:
        raise NotImplementedError

    def concerns(self, job_ids: list[int]) -> bool:
        """Whether a change of these jobs shows on the page."""
        return True

    def render(self, user: User) -> Fragments | None:
        """The fragments for the user, None where he may not see them. Runs in a thread."""
        raise NotImplementedError


class JobConsumer(LiveConsumer):
    """`/ws/jobs/<id>/`: a job's page (`?tasks=1,2` or a message: the rows on the screen)
    or, with `?task=<id>`, the page of one of its tasks."""

    @property
    def _job_id(self) -> int:
        return int(self.scope["url_route"]["kwargs"]["job_id"])  # type: ignore[typeddict-item]

    def groups_to_join(self) -> list[str]:
        return [job_group(self._job_id)]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The page tells which rows of the table are on the screen now: `{"tasks": "1,2"}`."""
        try:
            self.options["tasks"] = str(json.loads(text_data or "{}")["tasks"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        self._refresh_soon()

    def concerns(self, job_ids: list[int]) -> bool:
        return self._job_id in job_ids

    def render(self, user: User) -> Fragments | None:
        jobs = DicomJob.objects.visible_to(user).select_related("owner", "group")
        job = jobs.filter(pk=self._job_id).first()
        if job is None:
            return None
        if task_ids := id_list(self.options.get("task", "")):
            if not job.tasks.filter(pk=task_ids[0]).exists():
                return None
            return task_fragments(task_ids[0], job.kind)
        return job_fragments(user, job, id_list(self.options.get("tasks", "")))


class JobListConsumer(LiveConsumer):
    """`/ws/jobs/`: the home page, or with `?jobs=1,2` those rows of the list of jobs."""

    def groups_to_join(self) -> list[str]:
        return [ALL_JOBS_GROUP]

    def concerns(self, job_ids: list[int]) -> bool:
        shown = id_list(self.options.get("jobs", ""))
        return not shown or not set(shown).isdisjoint(job_ids)

    def render(self, user: User) -> Fragments | None:
        if "jobs" in self.options:
            return list_fragments(user, id_list(self.options["jobs"]))
        return home_fragments(user)
