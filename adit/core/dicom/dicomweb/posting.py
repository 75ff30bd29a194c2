"""Several STOW-RS requests on their way at once, their outcomes in order.

A server works on one request in one thread, so a single one at a time leaves it idle while it is
being made, and its other cores all the time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ..instance import DicomInstance
from ..outcomes import StoreOutcome

Batch = list[DicomInstance]
# Sends a batch and returns the outcomes, one for each instance; None, and nothing was sent, where
# it was not to wait for a place at the server and there was none.
Send = Callable[[Batch, bool], list[StoreOutcome] | None]


class Posting:
    """A context manager; leaving it early waits for what is on its way.

    The first batch goes alone, so that no two requests make the same study at the server.

    Args:
        send: is called from threads.
        most: so many requests at once.
    """

    def __init__(self, send: Send, most: int) -> None:
        self._send = send
        self._most = most
        self._allowed = 1
        self._under_way: deque[tuple[Batch, Future[list[StoreOutcome] | None]]] = deque()
        self._threads = ThreadPoolExecutor(most, "stow") if most > 1 else None

    def __enter__(self) -> Posting:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def add(self, batch: Batch) -> Iterator[StoreOutcome]:
        """Send a batch; yields the outcomes that are known by now, a batch as a whole.

        Raises:
            Canceled: the token of the client was set.
        """
        if self._threads is None or self._allowed == 1:
            yield from self.finish()
            yield from self._alone(batch)
            return
        while len(self._under_way) >= self._allowed:
            yield from self._first()
        future = self._threads.submit(self._send, batch, not self._under_way)
        self._under_way.append((batch, future))
        while self._under_way and self._under_way[0][1].done():
            yield from self._first()

    def finish(self) -> Iterator[StoreOutcome]:
        """The outcomes of all that is on its way; raises as `add`."""
        while self._under_way:
            yield from self._first()

    def _first(self) -> Iterator[StoreOutcome]:
        batch, future = self._under_way.popleft()
        outcomes = future.result()
        if outcomes is not None:
            yield from outcomes
            return
        # The server has no place for one more: it takes one at a time from now on.
        self._most = self._allowed = 1
        yield from self._alone(batch)

    def _alone(self, batch: Batch) -> Iterator[StoreOutcome]:
        outcomes = self._send(batch, True)
        assert outcomes is not None
        if any(outcome.accepted for outcome in outcomes):
            self._allowed = self._most
        yield from outcomes
