"""A receiver as a family of processes.

The parent has one thread and no connection to the database: it owns the listening sockets and the
lock on the spool, and starts anew whatever dies. Its children are some acceptors, which share one
listening socket (so that no connection waits at a dead one), and a steward.
"""

import contextlib
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from .acceptor import Acceptor
from .associations import AssociationCounter
from .child import Lifeline, start
from .configuration import ReceiverConfig
from .spool import Spool
from .steward import Steward

# What dies at once is started again more slowly.
_SHORT_LIFE = 5.0
_RESTART_PAUSE = 1.0
# The children of a killed parent end by themselves.
_LOCK_PATIENCE = 5.0
# Beyond what acceptors take to let instances arrive.
_STOP_SECONDS = 10.0

logger = logging.getLogger(__name__)


@dataclass
class _Post:
    """A place that one child fills."""

    name: str
    begin: Callable[[], tuple[int, int]]
    pid: int = 0
    started: float = 0.0
    due: float = 0.0
    slot: int | None = None


class ReceiverProcess:
    """One receiver. Start it, let it run; a signal stops it."""

    def __init__(self, config: ReceiverConfig) -> None:
        self.config = config
        self._spool: Spool = config.spool()
        self._lifeline = Lifeline()
        self._associations = AssociationCounter(config.processes, config.max_associations)
        self._store: socket.socket | None = None
        self._transmit: socket.socket | None = None
        self._posts: list[_Post] = []
        self._stopping = False
        self._wake_reading, self._wake_writing = os.pipe()
        os.set_blocking(self._wake_writing, False)
        os.set_blocking(self._wake_reading, False)

    @property
    def store_port(self) -> int:
        """Where senders call."""
        assert self._store
        return self._store.getsockname()[1]

    @property
    def transmit_port(self) -> int:
        """Where workers fetch."""
        assert self._transmit
        return self._transmit.getsockname()[1]

    def start(self) -> None:
        """Put the spool in order, then open the ports.

        Raises:
            SpoolError: Another receiver uses the spool.
            OSError: A port is taken, or a certificate cannot be read.
            RuntimeError: A child ended at once.
        """
        for tls in (self.config.store_tls, self.config.transmit_tls):
            if tls is not None:
                tls.ssl_context()
        self._spool.lock(_LOCK_PATIENCE)
        self._store = _bound(self.config.store_address)
        self._transmit = _bound(self.config.transmit_address)
        self._spool.sweep_partial_files()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._signaled)
        with self._stopped_on_failure():
            self._transmit.listen(64)
            self._fill(_Post("steward", partial(self._begin_steward, first=True)))
            self._posts[0].begin = partial(self._begin_steward, first=False)
            self._store.listen(256)
            for slot in range(self.config.processes):
                begin = partial(self._begin_acceptor, slot)
                self._fill(_Post(f"acceptor {slot + 1}", begin, slot=slot))

    def run(self) -> None:
        """Watch over the children until a signal comes, then stop."""
        while not self._stopping:
            pause = min((post.due for post in self._posts if not post.pid), default=None)
            wait = None if pause is None else max(0.0, pause - time.monotonic())
            self._sleep(wait)
            self._bury()
            for post in self._posts:
                if not self._stopping and not post.pid and post.due <= time.monotonic():
                    self._begin(post)
        self.stop()

    def stop(self) -> None:
        """Let the children finish what is arriving, close the ports, give the spool free."""
        self._stopping = True
        acceptors = [post for post in self._posts if post.slot is not None]
        _shut(self._store)
        self._end(acceptors, self.config.drain_seconds + _STOP_SECONDS)
        # Workers may fetch as long as anything arrives.
        _shut(self._transmit)
        self._end(self._posts, _STOP_SECONDS)
        for listener in (self._store, self._transmit):
            if listener is not None:
                listener.close()
        self._lifeline.close()
        self._spool.sweep_partial_files()
        self._spool.unlock()

    def _fill(self, post: _Post) -> None:
        """Begin a post for the first time and wait until it is ready."""
        self._posts.append(post)
        ready = self._begin(post)
        while not self._stopping:
            if (
                select.select([ready, self._wake_reading], [], [], None)[0]
                and (select.select([ready], [], [], 0)[0])
            ):
                break
            self._drain()
        told = self._stopping or os.read(ready, 1)
        os.close(ready)
        if not told:
            raise RuntimeError(f"The {post.name} of the receiver does not start.")

    def _begin(self, post: _Post) -> int:
        first = not post.started
        post.pid, ready = post.begin()
        post.started = time.monotonic()
        if not first:
            os.close(ready)
            logger.warning("The %s was started again.", post.name)
        return ready

    def _begin_steward(self, *, first: bool) -> tuple[int, int]:
        assert self._transmit
        return start(Steward(self.config, self._transmit, first=first).run, self._lifeline)

    def _begin_acceptor(self, slot: int) -> tuple[int, int]:
        assert self._store
        acceptor = Acceptor(self.config, slot, self._store, self._associations)
        return start(acceptor.run, self._lifeline)

    def _bury(self) -> None:
        """Notice which children have ended, and clean up after them."""
        for post in self._posts:
            if not post.pid:
                continue
            pid, status = os.waitpid(post.pid, os.WNOHANG)
            if not pid:
                continue
            post.pid = 0
            lived = time.monotonic() - post.started
            post.due = time.monotonic() + (_RESTART_PAUSE if lived < _SHORT_LIFE else 0)
            if post.slot is not None:
                self._associations.forget(post.slot)
                self._spool.sweep_partial_files(post.slot)
            if not self._stopping:
                code = os.waitstatus_to_exitcode(status)
                logger.error("The %s ended with %s.", post.name, code)

    def _end(self, posts: list[_Post], seconds: float) -> None:
        self._bury()
        for post in posts:
            if post.pid:
                os.kill(post.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while any(post.pid for post in posts):
            if (left := deadline - time.monotonic()) <= 0:
                for post in posts:
                    if post.pid:
                        os.kill(post.pid, signal.SIGKILL)
                        os.waitpid(post.pid, 0)
                        post.pid = 0
                return
            self._sleep(min(left, 1.0))
            self._bury()

    @contextlib.contextmanager
    def _stopped_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def _signaled(self, number: int, _: object) -> None:
        if number != signal.SIGCHLD:
            self._stopping = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_writing, b".")

    def _sleep(self, seconds: float | None) -> None:
        """Sleep until a signal comes, or so many seconds."""
        select.select([self._wake_reading], [], [], seconds)
        self._drain()

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reading, 4096)


def _shut(listener: socket.socket | None) -> None:
    """Let nobody call any more, in whichever process the socket is listened on."""
    if listener is not None:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _bound(address: tuple[str, int]) -> socket.socket:
    """A socket that nobody can call yet.

    Raises:
        OSError: The port is taken.
    """
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
