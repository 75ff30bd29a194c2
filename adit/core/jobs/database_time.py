"""The time of the database, which is the same for all hosts, whatever their clocks say.

What decides or is stored takes it, in the statement that runs anyway where there is one.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def database_now() -> datetime:
    """The time now, in a statement of its own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        row = cursor.fetchone()
    assert row is not None
    return row[0]
