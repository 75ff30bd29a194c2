"""Iterating ahead in a thread, behind a queue that is bounded by number and by bytes."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


def _one(_item: object) -> int:
    return 1


class Buffered(Iterator[T], Generic[T]):
    """An iterator whose upstream runs in a thread of its own, a bounded number of items ahead.

    A full queue blocks the upstream: nothing is dropped. An error of the upstream is raised in the
    consumer after the items that came before it. `close` (or leaving the `with` block, or the end
    of the iterator's life) closes the upstream in its own thread and waits for that thread.
    """

    def __init__(
        self,
        iterable: Iterable[T],
        *,
        max_items: int,
        max_bytes: int,
        size: Callable[[T], int] = _one,
        on_stop: Callable[[], None] | None = None,
        name: str = "buffered",
    ) -> None:
        assert max_items > 0 and max_bytes > 0
        self._state: _State[T] = _State(iterable, max_items, max_bytes, size)
        self._on_stop = on_stop
        # The thread holds only the state, so an iterator that nobody holds any more is collected,
        # and its end closes the upstream.
        self._thread = threading.Thread(target=self._state.run, name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Buffered[T]:
        return self

    def __next__(self) -> T:
        return self._state.get()

    def __enter__(self) -> Buffered[T]:
        return self

    def __exit__(self, *_args: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_thread"):
            self.close()

    def close(self) -> None:
        """Stops the upstream, runs `on_stop` if it was still running, and drops what is queued."""
        if self._state.stop() and self._on_stop is not None:
            self._on_stop()
        if self._thread is not threading.current_thread():
            self._thread.join()


class _State(Generic[T]):
    """What the consumer and the thread share."""

    def __init__(
        self, iterable: Iterable[T], max_items: int, max_bytes: int, size: Callable[[T], int]
    ) -> None:
        self.iterable = iterable
        self.max_items = max_items
        self.max_bytes = max_bytes
        self.size = size
        self.changed = threading.Condition()
        self.queue: deque[tuple[T, int]] = deque()
        self.queued_bytes = 0
        self.error: BaseException | None = None
        self.finished = False
        self.stopped = False

    def run(self) -> None:
        iterator: Iterator[T] | None = None
        try:
            iterator = iter(self.iterable)
            for item in iterator:
                if not self.put(item):
                    break
                # Otherwise this frame would keep an item alive that the consumer has done with.
                del item
        except BaseException as error:
            self.error = error
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                try:
                    close()
                except BaseException as error:
                    self.error = self.error or error
            with self.changed:
                self.finished = True
                self.changed.notify_all()

    def put(self, item: T) -> bool:
        item_size = self.size(item)
        with self.changed:
            # One item is always let in, or an item larger than `max_bytes` would never pass.
            while not self.stopped and self.queue and not self._fits(item_size):
                self.changed.wait()
            if self.stopped:
                return False
            self.queue.append((item, item_size))
            self.queued_bytes += item_size
            self.changed.notify_all()
            return True

    def _fits(self, item_size: int) -> bool:
        return len(self.queue) < self.max_items and self.queued_bytes + item_size <= self.max_bytes

    def get(self) -> T:
        with self.changed:
            while not self.queue and not self.finished and not self.stopped:
                self.changed.wait()
            if self.queue and not self.stopped:
                item, item_size = self.queue.popleft()
                self.queued_bytes -= item_size
                self.changed.notify_all()
                return item
        error, self.error = self.error, None
        if error is not None and not self.stopped:
            raise error
        raise StopIteration

    def stop(self) -> bool:
        """Tells the thread to end; returns whether it was still running."""
        with self.changed:
            running = not self.finished and not self.stopped
            self.stopped = True
            dropped = [item for item, _ in self.queue]
            self.queue.clear()
            self.queued_bytes = 0
            self.changed.notify_all()
        for item in dropped:
            discard = getattr(item, "discard", None)
            if discard is not None:
                with contextlib.suppress(OSError):
                    discard()
        return running


def buffered(
    iterable: Iterable[T],
    *,
    max_items: int,
    max_bytes: int,
    size: Callable[[T], int] = _one,
    on_stop: Callable[[], None] | None = None,
) -> Buffered[T]:
    """Runs `iterable` in a thread, at most `max_items` items and `max_bytes` bytes ahead.

    Args:
        iterable: The upstream; if it has a `close` method (a generator), it is called in the
            upstream's thread when the consumer stops early.
        max_items: So many items are held at most.
        max_bytes: So many bytes are held at most; a single larger item passes alone.
        size: The size of an item in bytes.
        on_stop: Called when the consumer stops while the upstream runs; unblocks the upstream.

    Returns:
        An iterator with `close`, also a context manager. Items with a `discard` method that nobody
        takes any more are discarded.
    """
    return Buffered(iterable, max_items=max_items, max_bytes=max_bytes, size=size, on_stop=on_stop)
