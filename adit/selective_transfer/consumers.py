"""The WebSocket of selective transfer: searches, and the series of single studies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.template.loader import render_to_string

from adit.accounts.models import User
from adit.accounts.preferences import write_preferences
from adit.core.dicom import Query, SeriesResult, ServerConfig, StudyResult
from adit.core.models import DicomServer
from adit.core.pages.consumers import NOT_ALLOWED
from adit.core.pages.session import current_user
from adit.selective_transfer import preferences
from adit.selective_transfer.live_find import LiveFind
from adit.selective_transfer.rights import check_may_search
from adit.selective_transfer.search_form import SearchForm, sources_for
from adit.selective_transfer.studies import ChosenStudy, series_at, study_at
from adit.selective_transfer.tokens import BadToken, read_study, sign_series, sign_study

SERIES_LOADS_AT_ONCE = 2


class LoggedOut(Exception):
    """Nobody is logged in on this connection any more."""


@dataclass(frozen=True)
class Source:
    """A server that the user may search now."""

    id: int
    name: str
    config: ServerConfig


@dataclass(frozen=True)
class Invalid:
    """A search that cannot be done, and why, by field ("" for the whole form)."""

    errors: dict[str, str]


class SelectiveTransferConsumer(AsyncWebsocketConsumer):
    """`/ws/selective-transfer/`.

    The browser sends JSON: `{"type": "search", "search": n, "fields": {...}}`, `{"type":
    "cancel"}` and `{"type": "series", "search": n, "token": ...}`. The answers carry the number
    of the search that they belong to, and only those of the latest search are sent. All state is
    of this connection; the rights are asked for anew with each message in and each batch out.
    """

    async def connect(self) -> None:
        self._number = 0
        self._find: LiveFind[StudyResult] | None = None
        self._series: set[LiveFind[SeriesResult]] = set()
        self._series_slots = asyncio.Semaphore(SERIES_LOADS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            await database_sync_to_async(self._user)()
        except (LoggedOut, PermissionDenied):
            await self.close(NOT_ALLOWED)
            return
        await self.accept()

    async def disconnect(self, code: int) -> None:
        self._abort()
        for task in self._tasks:
            task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = json.loads(text_data or "")
            kind = message["type"]
            handler = {"search": self._search, "cancel": self._cancel, "series": self._load}[kind]
        except (ValueError, TypeError, KeyError, RecursionError):
            text = "The server did not understand the page. Reload it."
            await self._say("error", self._number, text=text)
            return
        number = _number(message)
        await self._guarded(number, handler(number, message))

    # What the browser asks for

    async def _search(self, number: int, message: dict[str, Any]) -> None:
        self._abort()
        self._number = number
        fields = message.get("fields")
        prepared = await database_sync_to_async(self._prepare)(_texts_of(fields))
        if isinstance(prepared, Invalid):
            await self._say("invalid", number, errors=prepared.errors)
            return
        source, query = prepared
        limit = settings.SELECTIVE_TRANSFER_RESULT_LIMIT
        find = self._find = LiveFind(
            source.id, source.config, lambda operator: operator.find_studies(query, limit=limit)
        )
        await self._say("started", number, source=source.name)
        self._spawn(number, self._show(number, source, find))

    async def _cancel(self, number: int, message: dict[str, Any]) -> None:
        find = self._find
        self._abort()
        await database_sync_to_async(self._user)()
        if find is not None:
            text = f"Canceled; {_studies(find.count)} came before that."
            await self._say("end", number, text=text, level="info", count=find.count)

    async def _load(self, number: int, message: dict[str, Any]) -> None:
        study, source = await database_sync_to_async(self._prepare_series)(message.get("token"))
        if number == self._number:
            self._spawn(number, self._show_series(number, study, source))

    # What they get

    async def _show(self, number: int, source: Source, find: LiveFind[StudyResult]) -> None:
        async for found in find.batches():
            html = await database_sync_to_async(self._render_studies)(source, found)
            if self._find is not find:
                return
            await self._say("rows", number, html=html, count=find.count)
        if self._find is find:
            self._find = None
            text, level = _ending(source.name, find)
            await self._say("end", number, text=text, level=level, count=find.count)

    async def _show_series(self, number: int, study: ChosenStudy, source: Source) -> None:
        async with self._series_slots:
            if number != self._number:
                return
            query = Query(patient_id=study.patient_id, study_instance_uid=study.study_instance_uid)
            find = LiveFind(source.id, source.config, lambda operator: operator.find_series(query))
            self._series.add(find)
            try:
                found = [series async for batch in find.batches() for series in batch]
            finally:
                find.cancel()
                self._series.discard(find)
        html = await database_sync_to_async(self._render_series)(study, found, find)
        if number == self._number:
            await self._say("series", number, key=study.key, html=html)

    # In a thread, with the database

    def _user(self) -> User:
        user = current_user(dict(self.scope))
        if user is None:
            raise LoggedOut
        check_may_search(user)
        return user

    def _source(self, user: User, source_id: int) -> Source:
        if not sources_for(user).filter(pk=source_id).exists():
            raise PermissionDenied("Your active group may not read from this source.")
        server = DicomServer.objects.get(pk=source_id)
        return Source(server.pk, server.name, server.to_config())

    def _prepare(self, fields: dict[str, Any]) -> tuple[Source, Query] | Invalid:
        user = self._user()
        form = SearchForm(user, fields)
        if not form.is_valid():
            lines = {name: " ".join(map(str, errors)) for name, errors in form.errors.items()}
            return Invalid({name.replace("__all__", ""): text for name, text in lines.items()})
        source = self._source(user, form.cleaned_data["source"].pk)
        write_preferences(user, preferences.FORM, preferences.KEYS, {"source": source.id})
        return source, form.query()

    def _prepare_series(self, token: object) -> tuple[ChosenStudy, Source]:
        user = self._user()
        study = read_study(user.pk, str(token))
        return study, self._source(user, study.source_id)

    def _render_studies(self, source: Source, found: list[StudyResult]) -> str:
        user = self._user()
        self._source(user, source.id)
        studies = [study_at(source.id, source.name, one) for one in found]
        rows = [(study, sign_study(user.pk, study)) for study in studies]
        return render_to_string("selective_transfer/_rows.html", {"rows": rows})

    def _render_series(
        self, study: ChosenStudy, found: list[SeriesResult], find: LiveFind[SeriesResult]
    ) -> str:
        user = self._user()
        self._source(user, study.source_id)
        series = [series_at(study, one) for one in found]
        series.sort(key=lambda one: (one.series_number is None, one.series_number or 0))
        rows = [(one, sign_series(user.pk, one)) for one in series]
        context = {"study": study, "rows": rows, "error": find.error}
        return render_to_string("selective_transfer/_series.html", context)

    # Plumbing

    def _abort(self) -> None:
        """End what runs at the PACS; nothing of it is shown any more."""
        if self._find is not None:
            self._find.cancel()
            self._find = None
        for find in self._series:
            find.cancel()

    def _spawn(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(number, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        """Do the work of search `number`; say what the user may not do, or not any more."""
        try:
            await work
        except BadToken as err:
            await self._say("error", number, text=str(err))
        except PermissionDenied as err:
            if number == self._number:
                self._abort()
                await self._say("error", number, text=str(err))
        except LoggedOut:
            self._abort()
            text = "You are not logged in any more. Reload the page."
            await self._say("error", self._number, text=text)
            await self.close(NOT_ALLOWED)

    async def _say(self, kind: str, number: int, **content: Any) -> None:
        await self.send(json.dumps({"type": kind, "search": number, **content}))


def _texts_of(fields: object) -> dict[str, Any]:
    """The fields of a search: texts and lists of texts. Anything else is no input of a form."""
    if not isinstance(fields, dict):
        return {}
    return {
        name: value
        for name, value in fields.items()
        if isinstance(value, str)
        or (isinstance(value, list) and all(isinstance(one, str) for one in value))
    }


def _number(message: dict[str, Any]) -> int:
    number = message.get("search")
    return number if isinstance(number, int) and not isinstance(number, bool) else 0


def _ending(source: str, find: LiveFind[StudyResult]) -> tuple[str, str]:
    """How the search ended, in words, and whether that is good, a warning or an error."""
    text, level = _outcome(source, find)
    if find.notices and not find.error:
        return " ".join((text, *find.notices)), "warning"
    return text, level


def _outcome(source: str, find: LiveFind[StudyResult]) -> tuple[str, str]:
    number = _studies(find.count)
    if find.error:
        before = f" {number} came before that." if find.count else ""
        return f"{find.error}{before}", "error"
    if find.truncated_by and not find.count:
        return f"No study that fits came from {source} so far. Narrow the search.", "warning"
    if find.truncated_by == "limit":
        return (
            f"The first {number} at {source} are shown; there are more. Narrow the search.",
            "warning",
        )
    if find.truncated_by:
        return f"{source} gave {number} and held back more. Narrow the search.", "warning"
    if not find.count:
        return f"No study at {source} fits. Try fewer criteria, or * for any letters.", "info"
    return f"{number} found at {source}.", "info"


def _studies(count: int) -> str:
    return "1 study" if count == 1 else f"{count} studies"
