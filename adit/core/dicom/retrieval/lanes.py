"""Several series fetched beside each other, each by one of several lanes."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from ..cancel import CancelToken
from ..errors import DicomError
from ..instance import DicomInstance
from .checked import retrieve_checked
from .failures import worst
from .retrievers import Retriever
from .want import Want


class Errands:
    """The series that are still to be fetched, handed out to lanes.

    The first lane must do whatever is there. The others only help: a series of which they get
    nothing, because the server takes no further association or for another reason, goes back, and
    what comes of it is up to the first lane.
    """

    def __init__(self, wants: Iterable[Want]) -> None:
        self._left = deque(wants)
        self._tried = 0
        self._changed = threading.Condition()

    def all_left(self) -> Iterator[Want]:
        """For the first lane: what is left, also what others give back."""
        while True:
            with self._changed:
                while not self._left and self._tried:
                    self._changed.wait()
                if not self._left:
                    return
                want = self._left.popleft()
            yield want

    def help(
        self, retriever: Retriever, server: str, cancel: CancelToken
    ) -> Iterator[DicomInstance]:
        """For a further lane: fetch what the server gives it; see `retrieve_checked`."""
        while (want := self._take()) is not None:
            with contextlib.closing(retrieve_checked(retriever, [want], server, cancel)) as found:
                try:
                    first = next(found, None)
                except DicomError:
                    self._settle(want)
                    return
                except BaseException:
                    self._settle(None)
                    raise
                self._settle(None)
                if first is not None:
                    yield first
                    del first
                    yield from found

    def _take(self) -> Want | None:
        with self._changed:
            if not self._left:
                return None
            self._tried += 1
            return self._left.popleft()

    def _settle(self, given_back: Want | None) -> None:
        """The series is under way, or given back."""
        with self._changed:
            self._tried -= 1
            if given_back is not None:
                self._left.appendleft(given_back)
            self._changed.notify_all()


def worst_of_lanes(errors: Sequence[BaseException]) -> BaseException:
    """One error for several lanes; what is no error of the peer's comes first."""
    for error in errors:
        if not isinstance(error, DicomError):
            return error
    return worst([error for error in errors if isinstance(error, DicomError)])
