"""Entering arrived instances in PostgreSQL, several in one transaction where several wait."""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from psycopg import Connection, DataError, IntegrityError, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from adit.core.models import ReceivedInstance

from .line import DatabaseLine
from .refusals import Refusals
from .spool import Spool

CHANNEL = "adit_received"
_COUNT_SECONDS = 1.0

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
    address: str
    called_ae_title: str
    move_originator_ae_title: str
    move_originator_message_id: int | None
    size: int
    sha256: str


_TYPES = {"move_originator_message_id": "integer", "size": "bigint"}
_COLUMNS = [field.name for field in fields(Entry)]
_RECORD = ", ".join(f"{column} {_TYPES.get(column, 'text')}" for column in _COLUMNS)

# One statement whatever the number of rows: it is prepared once, and is a transaction by itself;
# what a cursor does beside that costs as much as all else that is done with a row. It
# may come twice, when the connection broke before the answer: the second one then changes nothing.
# It does not wait for the disk, as the file has done that: a row that PostgreSQL loses in a crash
# is entered again from its file.
_INSERT = f"""
WITH entered AS (
    INSERT INTO {ReceivedInstance._meta.db_table}
        ({", ".join(_COLUMNS)}, received_at, conflicting, discarded)
    SELECT *, now(), false, false FROM json_to_recordset($1) AS entry({_RECORD})
    ON CONFLICT (receiver, path) DO NOTHING
    RETURNING study_instance_uid, series_instance_uid
)
SELECT pg_notify('{CHANNEL}', study_instance_uid || ' ' || series_instance_uid),
       set_config('synchronous_commit', 'off', true)
FROM (SELECT DISTINCT study_instance_uid, series_instance_uid FROM entered) AS series
""".encode()


_STATEMENT = b"adit_received"


def _check(line: PGconn, result: PGresult) -> None:
    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return
    if line.status == ConnStatus.BAD:
        raise OperationalError(line.get_error_message())
    raise error_from_result(result)


class _Waiting:
    """An entry that somebody waits for."""

    __slots__ = ("done", "entry", "error")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.done = False
        self.error: Exception | None = None


class Registry:
    """Enters rows from many threads through one connection, in batches.

    What comes in while a transaction runs shares the next one, so that many senders do not wait in
    line: who gets the connection enters all that wait. No thread of its own is needed for that, and
    no change of threads for a sender that is alone.
    """

    def __init__(self, spool: Spool, refusals: Refusals | None = None) -> None:
        self._spool = spool
        self._refusals = refusals
        self._line = DatabaseLine()
        self._prepared: Connection[Any] | None = None
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._refused = threading.Event()
        if refusals is not None:
            threading.Thread(target=self._count, name="refusals", daemon=True).start()

    def enter(self, entry: Entry) -> None:
        """Return when the row is committed, its file has a durable name, and the workers are told.

        Raises:
            Exception: The database or the disk did not take it.
        """
        own = _Waiting(entry)
        self._waiting.append(own)
        with self._lock:
            if not own.done:
                batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
                self._enter(batch)
        if own.error is not None:
            raise own.error

    def call(self, work: Callable[[Connection[Any]], object]) -> None:
        """Do something else through the same connection; after a break it is done again.

        Raises:
            Exception: What `work` raised.
        """
        with self._lock:
            self._line.run(work)

    def flush(self) -> None:
        """Let the refusals be written soon; nobody waits for that."""
        self._refused.set()

    def stop(self) -> None:
        """Write what is still to be written, and close the connection."""
        self._write_refusals()
        with self._lock:
            self._line.close()

    def _enter(self, batch: list[_Waiting]) -> None:
        try:
            self._spool.sync()
            self._insert(batch)
        except (DataError, IntegrityError):
            # One that PostgreSQL cannot hold must not spoil those that came with it.
            for one in batch:
                try:
                    self._insert([one])
                except Exception as error:
                    one.error = error
        except Exception as error:
            logger.error("What arrived could not be entered: %s", type(error).__name__)
            for one in batch:
                one.error = error
        for one in batch:
            one.done = True

    def _insert(self, batch: list[_Waiting]) -> None:
        values = [{column: getattr(one.entry, column) for column in _COLUMNS} for one in batch]
        rows = json.dumps(values).encode()

        def insert(connection: Connection[Any]) -> None:
            line = connection.pgconn
            if connection is not self._prepared:
                _check(line, line.prepare(_STATEMENT, _INSERT))
                self._prepared = connection
            _check(line, line.exec_prepared(_STATEMENT, [rows]))

        self._line.run(insert)

    def _count(self) -> None:
        while True:
            self._refused.wait()
            self._refused.clear()
            if not self._write_refusals():
                self._refused.set()
            time.sleep(_COUNT_SECONDS)

    def _write_refusals(self) -> bool:
        refusals = self._refusals
        if refusals is None or not len(refusals):
            return True
        try:
            with self._lock:
                self._line.run(refusals.write, patience=0)
        except Exception as error:
            logger.warning("Refusals could not be counted yet: %s", type(error).__name__)
            return False
        return True
