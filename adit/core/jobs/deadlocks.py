"""What is done where PostgreSQL ends a transaction to resolve a deadlock.

Everybody locks a job before its tasks (`states.lock_job`), so there should be none; who is named
the victim nevertheless has changed nothing, and may do the same again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, transaction
from psycopg.errors import DeadlockDetected

T = TypeVar("T")

_TRIES = 3

BUSY = "somebody else changes it at this very moment; try again"


class Deadlocked(Exception):
    """A change was given up in favour of others, again and again; nothing was changed."""


def again_after_deadlock(change: Callable[[], T]) -> T:
    """Do `change` in one transaction, and anew where it was ended because of a deadlock.

    Inside of another transaction the error is passed on, for the whole of that has to be done anew.

    Raises:
        Deadlocked: it was ended each time.
    """
    outermost = not transaction.get_connection().in_atomic_block
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                return change()
        except OperationalError as err:
            if not outermost or not isinstance(err.__cause__, DeadlockDetected):
                raise
    raise Deadlocked
