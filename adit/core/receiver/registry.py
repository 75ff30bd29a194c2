"""Entering arrived instances in PostgreSQL, several in one transaction where several wait."""

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, fields
from typing import Any

from psycopg import Connection, Cursor, DataError, IntegrityError
from psycopg.types.json import Json

from adit.core.models import ReceivedInstance

from .line import DatabaseLine
from .refusals import Refusals
from .spool import Spool

CHANNEL = "adit_received"
_MOST_AT_ONCE = 128

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is entered of an instance: columns of `ReceivedInstance`, by their names."""

    receiver: str
    path: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    called_ae_title: str
    move_originator_ae_title: str
    move_originator_message_id: int | None
    size: int
    sha256: str


_TYPES = {"move_originator_message_id": "integer", "size": "bigint"}
_COLUMNS = [field.name for field in fields(Entry)]
_RECORD = ", ".join(f"{column} {_TYPES.get(column, 'text')}" for column in _COLUMNS)

# One statement whatever the number of rows: it is prepared once, and is a transaction by itself. It
# may come twice, when the connection broke before the answer: the second one then changes nothing.
_INSERT = f"""
WITH entered AS (
    INSERT INTO {ReceivedInstance._meta.db_table}
        ({", ".join(_COLUMNS)}, received_at, conflicting, discarded)
    SELECT *, now(), false, false FROM json_to_recordset(%s) AS entry({_RECORD})
    ON CONFLICT (receiver, path) DO NOTHING
    RETURNING study_instance_uid
)
SELECT pg_notify('{CHANNEL}', study_instance_uid)
FROM (SELECT DISTINCT study_instance_uid FROM entered) AS studies
""".encode()


_Job = tuple[Entry | Callable[[Connection[Any]], object] | None, Future[None]]


class Registry:
    """Enters rows from many threads through one connection, in batches.

    A transaction must wait for the disk. What comes in meanwhile shares the next one, so that many
    senders do not wait in line for one disk.
    """

    def __init__(self, spool: Spool, refusals: Refusals | None = None) -> None:
        self._spool = spool
        self._refusals = refusals
        self._line = DatabaseLine()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)
        self._thread.start()

    def enter(self, entry: Entry) -> None:
        """Return when the row is committed and the workers are told.

        Raises:
            Exception: The database or the disk did not take it.
        """
        self._do(entry)

    def call(self, work: Callable[[Connection[Any]], object]) -> None:
        """Do something else through the same connection; after a break it is done again.

        Raises:
            Exception: What `work` raised.
        """
        self._do(work)

    def flush(self) -> None:
        """Let the refusals be written soon; nobody waits for that."""
        self._queue.put((None, Future()))

    def stop(self) -> None:
        """Enter what is still waiting, then end."""
        self._queue.put(None)
        self._thread.join()

    def _do(self, work: "Entry | Callable[[Connection[Any]], object]") -> None:
        done: Future[None] = Future()
        self._queue.put((work, done))
        done.result()

    def _run(self) -> None:
        ended = False
        try:
            while not ended:
                jobs = [self._queue.get()]
                while len(jobs) < _MOST_AT_ONCE and not self._queue.empty():
                    jobs.append(self._queue.get())
                ended = None in jobs
                self._work_on([job for job in jobs if job is not None])
        finally:
            self._line.close()

    def _work_on(self, jobs: list[_Job]) -> None:
        entries = [(work, done) for work, done in jobs if isinstance(work, Entry)]
        if entries:
            self._settle([done for _, done in entries], lambda: self._enter(entries))
        for work, done in jobs:
            if work is not None and not isinstance(work, Entry):
                self._settle([done], lambda work=work: self._line.run(work))
        if self._refusals is not None and len(self._refusals):
            try:
                self._line.run(self._refusals.write, patience=0)
            except Exception as error:
                logger.warning("Refusals could not be counted yet: %s", type(error).__name__)

    def _settle(self, promises: list[Future[None]], work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            logger.error("What arrived could not be entered: %s", type(error).__name__)
            for done in promises:
                done.set_exception(error)
        else:
            for done in promises:
                if not done.done():
                    done.set_result(None)

    def _enter(self, entries: list[tuple[Entry, Future[None]]]) -> None:
        self._spool.sync()
        try:
            self._insert(entries)
        except (DataError, IntegrityError):
            # One that PostgreSQL cannot hold must not spoil those that came with it.
            if len(entries) == 1:
                raise
            for entry, done in entries:
                try:
                    self._insert([(entry, done)])
                except Exception as error:
                    done.set_exception(error)

    def _insert(self, entries: list[tuple[Entry, Future[None]]]) -> None:
        values = [{column: getattr(entry, column) for column in _COLUMNS} for entry, _ in entries]
        rows = Json(values)

        def insert(connection: Connection[Any]) -> None:
            # Django's own cursors put the values into the statement, which then cannot be prepared.
            with Cursor(connection) as cursor:
                cursor.execute(_INSERT, [rows], prepare=True)

        self._line.run(insert)
