"""Iterating ahead in threads, behind a queue that is bounded by number and by bytes."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


def _one(_item: object) -> int:
    return 1


def _first(errors: Sequence[BaseException]) -> BaseException:
    return errors[0]


class Buffered(Iterator[T], Generic[T]):
    """An iterator whose upstreams run in threads of their own, a bounded number of items ahead.

    A full queue blocks the upstreams: nothing is dropped. Their errors are raised in the consumer
    after all items, as one. `close` (or leaving the `with` block, or the end of the iterator's
    life) closes each upstream in its own thread and waits for those threads.
    """

    def __init__(
        self,
        *iterables: Iterable[T],
        max_items: int,
        max_bytes: int,
        size: Callable[[T], int] = _one,
        on_stop: Callable[[], None] | None = None,
        worst: Callable[[Sequence[BaseException]], BaseException] = _first,
        name: str = "buffered",
    ) -> None:
        assert max_items > 0 and max_bytes > 0
        self._state: _State[T] = _State(len(iterables), max_items, max_bytes, size, worst)
        self._on_stop = on_stop
        # The threads hold only the state, so an iterator that nobody holds any more is collected,
        # and its end closes the upstreams.
        self._threads = [
            threading.Thread(target=self._state.run, args=(iterable,), name=name, daemon=True)
            for iterable in iterables
        ]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Buffered[T]:
        return self

    def __next__(self) -> T:
        return self._state.get()

    def __enter__(self) -> Buffered[T]:
        return self

    def __exit__(self, *_args: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_threads"):
            self.close()

    def close(self) -> None:
        """Stops the upstreams, runs `on_stop` if any still ran, and drops what is queued."""
        if self._state.stop() and self._on_stop is not None:
            self._on_stop()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()


class _State(Generic[T]):
    """What the consumer and the threads share."""

    def __init__(
        self,
        upstreams: int,
        max_items: int,
        max_bytes: int,
        size: Callable[[T], int],
        worst: Callable[[Sequence[BaseException]], BaseException],
    ) -> None:
        self.upstreams = upstreams
        self.max_items = max_items
        self.max_bytes = max_bytes
        self.size = size
        self.worst = worst
        self.changed = threading.Condition()
        self.queue: deque[tuple[T, int]] = deque()
        self.queued_bytes = 0
        self.errors: list[BaseException] = []
        self.stopped = False

    @property
    def finished(self) -> bool:
        """Whether all upstreams have ended."""
        return not self.upstreams

    def run(self, iterable: Iterable[T]) -> None:
        iterator: Iterator[T] | None = None
        problem: BaseException | None = None
        try:
            iterator = iter(iterable)
            for item in iterator:
                if not self.put(item):
                    _discard(item)
                    break
                # Otherwise this frame would keep an item alive that the consumer has done with.
                del item
        except BaseException as error:
            problem = error
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                try:
                    close()
                except BaseException as error:
                    problem = problem or error
            with self.changed:
                if problem is not None:
                    self.errors.append(problem)
                self.upstreams -= 1
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
            errors, self.errors = self.errors, []
        if errors and not self.stopped:
            raise self.worst(errors)
        raise StopIteration

    def stop(self) -> bool:
        """Tells the threads to end; returns whether any was still running."""
        with self.changed:
            running = not self.finished and not self.stopped
            self.stopped = True
            dropped = [item for item, _ in self.queue]
            self.queue.clear()
            self.queued_bytes = 0
            self.changed.notify_all()
        for item in dropped:
            _discard(item)
        return running


def _discard(item: object) -> None:
    """Drops what nobody takes any more, with the file that it may lie in."""
    discard = getattr(item, "discard", None)
    if discard is not None:
        with contextlib.suppress(OSError):
            discard()


def paced(items: Iterable[T], pace: Callable[[], None] | None) -> Iterator[T]:
    """The items, with a call of `pace` before each: it may wait, or raise.

    A server whose instances are not read does not send more: that is what slows it down.
    """
    try:
        for item in items:
            if pace is not None:
                try:
                    pace()
                except BaseException:
                    _discard(item)
                    raise
            yield item
            del item
    finally:
        if isinstance(items, Generator):
            items.close()


def buffered(
    *iterables: Iterable[T],
    max_items: int,
    max_bytes: int,
    size: Callable[[T], int] = _one,
    on_stop: Callable[[], None] | None = None,
    worst: Callable[[Sequence[BaseException]], BaseException] = _first,
) -> Buffered[T]:
    """Runs each iterable in a thread, all together at most `max_items` items and `max_bytes` ahead.

    Args:
        iterables: The upstreams; of one that has a `close` method (a generator) it is called in the
            upstream's thread when the consumer stops early.
        max_items: So many items are held at most.
        max_bytes: So many bytes are held at most; a single larger item passes alone.
        size: The size of an item in bytes.
        on_stop: Called when the consumer stops while an upstream runs; unblocks them.
        worst: Chooses the error that is raised where several upstreams failed.

    Returns:
        An iterator with `close`, also a context manager. Items with a `discard` method that nobody
        takes any more are discarded.
    """
    return Buffered(
        *iterables,
        max_items=max_items,
        max_bytes=max_bytes,
        size=size,
        on_stop=on_stop,
        worst=worst,
    )
