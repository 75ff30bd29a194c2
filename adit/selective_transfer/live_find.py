"""A search at a PACS in a thread of its own, whose results come to the event loop in batches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomError,
    DicomOperator,
    ResultStream,
    ServerConfig,
)
from adit.core.transfer.association_slots import AssociationSlots
from adit.core.transfer.processor import local_config

logger = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_SECONDS = 0.25


class LiveFind(Generic[T]):
    """One query. Made and used in the event loop; only `_work` runs in the thread.

    Attributes:
        error: What went wrong, known when the batches have ended.
        truncated_by: Who cut the answer, known when the batches have ended.
        notices: What else is to be said of the answer, known when the batches have ended.
        count: How many results came so far.
    """

    def __init__(
        self,
        server_id: int,
        server: ServerConfig,
        find: Callable[[DicomOperator], ResultStream[T]],
    ) -> None:
        self.error: DicomError | None = None
        self.truncated_by = ""
        self.notices: tuple[str, ...] = ()
        self.count = 0
        self._server_id = server_id
        self._server = server
        self._find = find
        self._cancel = CancelToken()
        self._loop = asyncio.get_running_loop()
        self._found: list[T] = []
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        thread = threading.Thread(target=self._work, name=f"find at {server.name}", daemon=True)
        thread.start()

    def cancel(self) -> None:
        """Abort the association; the batches end soon."""
        self._cancel.cancel()

    async def batches(self) -> AsyncIterator[list[T]]:
        """The first result at once, then what came meanwhile, a few times a second."""
        while True:
            await self._news.wait()
            self._news.clear()
            found, self._found = self._found, []
            if found:
                self.count += len(found)
                yield found
            if self._ended.is_set() and not self._found:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), BATCH_SECONDS)

    def _work(self) -> None:
        error: DicomError | None = None
        truncated_by = ""
        notices: tuple[str, ...] = ()
        try:
            with (
                AssociationSlots.on_demand(
                    self._server_id, self._server.name, self._cancel
                ) as slots,
                DicomOperator(self._server, local_config(slots), cancel=self._cancel) as operator,
            ):
                results = self._find(operator)
                for result in results:
                    self._tell(self._take, result)
                truncated_by = results.truncated_by
                notices = results.remarks.sentences()
        except Canceled:
            pass
        except DicomError as err:
            # What an aborted association looks like is no error of the server.
            error = None if self._cancel.canceled else err
        except Exception:
            logger.exception("A search at %s failed.", self._server.name)
            error = DicomError(
                f"The search at {self._server.name} failed.",
                advice="Try again; if it happens again, ask your administrator.",
            )
        finally:
            self._tell(self._end, error, truncated_by, notices)

    def _tell(self, what: Callable[..., None], *values: object) -> None:
        # The loop is gone when the server stops.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what, *values)

    def _take(self, result: T) -> None:
        self._found.append(result)
        self._news.set()

    def _end(self, error: DicomError | None, truncated_by: str, notices: tuple[str, ...]) -> None:
        self.error, self.truncated_by, self.notices = error, truncated_by, notices
        self._ended.set()
        self._news.set()
