"""Entering arrived instances in PostgreSQL, several in one transaction where several wait."""

import logging
import queue
import threading
from concurrent.futures import Future

from django.db import DatabaseError, InterfaceError, connection, transaction

from adit.core.models import ReceivedInstance

from .spool import Spool

CHANNEL = "adit_received"
_MOST_AT_ONCE = 128

logger = logging.getLogger(__name__)


class Registry:
    """Enters rows from many threads through one connection, in batches.

    A transaction must wait for the disk. What comes in meanwhile shares the next one, so that many
    senders do not wait in line for one disk.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._queue: queue.SimpleQueue[tuple[ReceivedInstance, Future[None]] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)
        self._thread.start()

    def enter(self, row: ReceivedInstance) -> None:
        """Return when the row is committed and the workers are told.

        Raises:
            Exception: The database or the disk did not take it.
        """
        done: Future[None] = Future()
        self._queue.put((row, done))
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
            connection.close()

    def _enter_batch(self, batch: list[tuple[ReceivedInstance, Future[None]]]) -> None:
        try:
            self._spool.sync()
            self._commit([row for row, _ in batch])
        except Exception as error:
            logger.error("Arrived instances could not be entered: %s", type(error).__name__)
            for _, done in batch:
                done.set_exception(error)
        else:
            for _, done in batch:
                done.set_result(None)

    def _commit(self, rows: list[ReceivedInstance]) -> None:
        try:
            self._insert(rows)
        except (InterfaceError, DatabaseError):
            if connection.is_usable():
                raise
            connection.close()  # the server was restarted: once more, with a new connection
            self._insert(rows)

    def _insert(self, rows: list[ReceivedInstance]) -> None:
        with transaction.atomic():
            ReceivedInstance.objects.bulk_create(rows)
            with connection.cursor() as cursor:
                for study in {row.study_instance_uid for row in rows}:
                    cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, study])
