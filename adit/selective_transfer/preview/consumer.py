"""The WebSocket of previews: samples come one after the other, and can be given up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import QueryDict
from django.template.loader import render_to_string

from adit.accounts.models import User
from adit.core.dicom import Canceled, CancelToken
from adit.core.pages.consumers import NOT_ALLOWED
from adit.core.pages.session import current_user
from adit.selective_transfer import rights
from adit.selective_transfer.preview.order import (
    CannotPreview,
    PreviewOrder,
    check_may_still,
    make_order,
)
from adit.selective_transfer.preview.samples import Progress, Sample, take_samples

logger = logging.getLogger(__name__)

# The names of fields that a preview reads; all others of the form are left out.
_FIELDS = ("study", "series", "destination", "profile", "trial_protocol_id", "trial_protocol_name")
_MOST_FIELDS = 5000
_END = object()


class _LoggedOut(Exception):
    """Nobody is logged in on this connection any more."""


class PreviewConsumer(AsyncWebsocketConsumer):
    """`/ws/selective-transfer/preview/`.

    The browser sends `{"type": "preview", "fields": [[name, value], …]}`, once a connection, and
    `{"type": "cancel"}`. It gets `progress`, `sample` (HTML), `note`, `invalid`, `error`, `end`.
    What a sample shows is in memory and in the messages only.
    """

    async def connect(self) -> None:
        self._cancel = CancelToken()
        self._work: asyncio.Task[None] | None = None
        try:
            await database_sync_to_async(self._user)()
        except (_LoggedOut, PermissionDenied):
            await self.close(NOT_ALLOWED)
            return
        await self.accept()

    async def disconnect(self, code: int) -> None:
        self._cancel.cancel()
        if self._work is not None:
            self._work.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = json.loads(text_data or "")
            kind = message["type"]
            fields = _fields(message.get("fields")) if kind == "preview" else None
        except (ValueError, TypeError, KeyError, RecursionError):
            await self._say("error", text="The server did not understand the page. Reload it.")
            return
        if kind == "cancel":
            self._cancel.cancel()
        elif fields is not None and self._work is None:
            self._work = asyncio.create_task(self._guarded(fields))

    async def _guarded(self, fields: QueryDict) -> None:
        """Show the samples; say what the user may not do, or not any more."""
        try:
            order = await database_sync_to_async(self._order)(fields)
            await self._show(order)
        except CannotPreview as err:
            await self._say("invalid", texts=str(err).splitlines())
        except PermissionDenied as err:
            await self._say("error", text=str(err))
        except _LoggedOut:
            await self._say("error", text="You are not logged in any more. Reload the page.")
            await self.close(NOT_ALLOWED)
        finally:
            self._cancel.cancel()

    async def _show(self, order: PreviewOrder) -> None:
        for note in order.notes:
            await self._say("note", text=note)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(what: object) -> None:
            # The loop is gone when the server stops.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(queue.put_nowait, what)

        thread = threading.Thread(
            target=_sample_all, args=(order, self._cancel, tell), name="preview", daemon=True
        )
        thread.start()
        number = 0
        while (news := await queue.get()) is not _END:
            if isinstance(news, Progress):
                await self._say("progress", text=news.text)
            elif isinstance(news, Sample):
                if news.error and self._cancel.canceled:
                    # What an aborted association looks like is no error of the server.
                    continue
                number += 1
                html = await database_sync_to_async(self._render)(order, news, number)
                await self._say("sample", number=number, label=news.label, html=html)
            else:
                await self._say("error", text=str(news))
                return
        canceled = self._cancel.canceled
        text = "Canceled." if canceled else f"{_kinds(number)} looked at."
        await self._say("end", text=text, count=number)

    # In a thread, with the database

    def _user(self) -> User:
        user = current_user(dict(self.scope))
        if user is None:
            raise _LoggedOut
        rights.check_may_search(user)
        return user

    def _order(self, fields: QueryDict) -> PreviewOrder:
        return make_order(self._user(), fields)

    def _render(self, order: PreviewOrder, sample: Sample, number: int) -> str:
        check_may_still(self._user(), order)
        context = {"sample": sample, "prefix": f"sample-{number}"}
        return render_to_string("selective_transfer/_sample.html", context)

    async def _say(self, kind: str, **content: Any) -> None:
        await self.send(json.dumps({"type": kind, **content}))


def _sample_all(order: PreviewOrder, cancel: CancelToken, tell: Any) -> None:
    """The work of the thread; always ends with `_END`, or with a text that says what went wrong."""
    try:
        for news in take_samples(order.studies, order.profile.to_profile(), cancel):
            tell(news)
        tell(_END)
    except Canceled:
        tell(_END)
    except Exception:
        logger.exception("A preview failed.")
        tell("The preview failed. Try again; if it happens again, ask your administrator.")
    finally:
        connections.close_all()


def _fields(pairs: object) -> QueryDict:
    """The fields of the form.

    Raises:
        ValueError: they are no pairs of texts.
    """
    if not isinstance(pairs, list) or len(pairs) > _MOST_FIELDS:
        raise ValueError("no fields")
    fields = QueryDict(mutable=True)
    for pair in pairs:
        name, value = pair
        if not isinstance(name, str) or not isinstance(value, str):
            raise ValueError("no texts")
        if name in _FIELDS or name.startswith("pseudonym"):
            fields.appendlist(name, value)
    return fields


def _kinds(number: int) -> str:
    return "1 kind of series" if number == 1 else f"{number} kinds of series"
