"""A connection to PostgreSQL of a receiver's own, made again after the server was away."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from django import db
from django.db import connections
from psycopg import Connection

PATIENCE_SECONDS = 10.0
"""So long a sender waits for a server that was restarted, before it gets A700."""

_PAUSE = 0.2
# A server that vanished without a word must not hold up senders for ever.
_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    # Whatever the server's default is: what is reported here has to survive a crash.
    "options": "-c synchronous_commit=on",
}

# Django has errors of its own for what fails while it opens a connection.
_LOST = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    db.OperationalError,
    db.InterfaceError,
)

T = TypeVar("T")

logger = logging.getLogger(__name__)


class DatabaseLine:
    """One connection, used by one thread at a time.

    Django's own belong to the thread that opened them, and nothing bounds how many there are.
    """

    def __init__(self) -> None:
        self._wrapper: Any = connections["default"].copy()
        self._wrapper.settings_dict["OPTIONS"] = {
            **self._wrapper.settings_dict.get("OPTIONS", {}),
            **_OPTIONS,
        }
        self._wrapper.inc_thread_sharing()
        self._failed_at = 0.0

    def run(self, work: Callable[[Connection[Any]], T], *, patience: float = PATIENCE_SECONDS) -> T:
        """Do something that may be done twice: after a break it is done again.

        While the server stays away, only the first caller waits for it; the others fail at once,
        until somebody has reached it again.

        Raises:
            psycopg.Error: The server did not come back, or refuses the work.
        """
        deadline = time.monotonic() + (0 if self._failed_at else patience)
        while True:
            try:
                result = work(self.connection())
            except (psycopg.Error, db.Error) as error:
                if not self._is_lost(error):
                    raise
                self.close()
                if time.monotonic() > deadline:
                    self._failed_at = time.monotonic()
                    raise
                logger.warning("The database was not reached: %s", type(error).__name__)
                time.sleep(_PAUSE)
            else:
                self._failed_at = 0.0
                return result

    def _is_lost(self, error: Exception) -> bool:
        """Whether the connection is the matter, and not the work.

        Of a connection that broke while nobody used it libpq may only say that it got no answer:
        an error without class and without SQLSTATE.
        """
        if isinstance(error, _LOST):
            return True
        raw = self._wrapper.connection
        if raw is None or raw.closed or raw.broken:
            return True
        cause = error.__cause__ if isinstance(error, db.Error) else error
        return type(cause) is psycopg.DatabaseError and cause.sqlstate is None

    def connection(self) -> Connection[Any]:
        """The connection, opened where it must be."""
        self._wrapper.ensure_connection()
        return self._wrapper.connection

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        try:
            self._wrapper.close()
        except Exception:
            # Closing what is broken may fail; it is gone all the same.
            self._wrapper.connection = None
