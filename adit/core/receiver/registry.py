"""Entering arrived instances in PostgreSQL, several in one transaction where several wait."""

import logging
import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, fields
from typing import Any

from django.db import connections
from psycopg import Cursor, OperationalError
from psycopg.types.json import Json

from adit.core.models import ReceivedInstance

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

# One statement whatever the number of rows: it is prepared once, and is a transaction by itself.
_INSERT = f"""
WITH entered AS (
    INSERT INTO {ReceivedInstance._meta.db_table} ({", ".join(_COLUMNS)}, received_at)
    SELECT *, now() FROM json_to_recordset(%s) AS entry({_RECORD})
    RETURNING study_instance_uid
)
SELECT pg_notify('{CHANNEL}', study_instance_uid)
FROM (SELECT DISTINCT study_instance_uid FROM entered) AS studies
""".encode()


class Registry:
    """Enters rows from many threads through one connection, in batches.

    A transaction must wait for the disk. What comes in meanwhile shares the next one, so that many
    senders do not wait in line for one disk.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._wrapper: Any = connections["default"].copy()
        self._wrapper.inc_thread_sharing()
        self._queue: queue.SimpleQueue[tuple[Entry, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)
        self._thread.start()

    def enter(self, entry: Entry) -> None:
        """Return when the row is committed and the workers are told.

        Raises:
            Exception: The database or the disk did not take it.
        """
        done: Future[None] = Future()
        self._queue.put((entry, done))
        done.result()

    def stop(self) -> None:
        """Enter what is still waiting, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (first := self._queue.get()) is not None:
                batch, ended = [first], False
                while len(batch) < _MOST_AT_ONCE and not self._queue.empty():
                    following = self._queue.get()
                    if following is None:
                        ended = True
                        break
                    batch.append(following)
                self._enter_batch(batch)
                if ended:
                    return
        finally:
            self._wrapper.close()

    def _enter_batch(self, batch: list[tuple[Entry, Future[None]]]) -> None:
        try:
            self._spool.sync()
            self._insert([entry for entry, _ in batch])
        except Exception as error:
            logger.error("Arrived instances could not be entered: %s", type(error).__name__)
            for _, done in batch:
                done.set_exception(error)
        else:
            for _, done in batch:
                done.set_result(None)

    def _insert(self, entries: list[Entry]) -> None:
        rows = Json([{column: getattr(entry, column) for column in _COLUMNS} for entry in entries])
        try:
            self._execute(rows)
        except OperationalError:
            # The server was restarted. Had the first try been committed, the second one would
            # break the constraint of one row per file.
            self._wrapper.close()
            self._execute(rows)

    def _execute(self, rows: Json) -> None:
        self._wrapper.ensure_connection()
        # Django's own cursors put the values into the statement, which then cannot be prepared.
        with Cursor(self._wrapper.connection) as cursor:
            cursor.execute(_INSERT, [rows], prepare=True)
