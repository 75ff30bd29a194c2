"""Pages of long answers, by cursor: nothing is left out or told twice while rows are added."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

# Ids and lines have fewer digits than PostgreSQL's bigint can hold.
_MOST_DIGITS = 18


class NewestFirst(CursorPagination):
    """`next` and `previous` are the addresses of the neighbours; `limit` up to 500."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500

    def decode_cursor(self, request: Request) -> Any:
        """The place that a cursor names.

        Raises:
            NotFound: it is none that `next` or `previous` have given.
        """
        cursor: Any = super().decode_cursor(request)
        place = cursor.position if cursor else None
        if place is not None and not (
            place.isascii() and place.isdecimal() and len(place) <= _MOST_DIGITS
        ):
            raise NotFound(self.invalid_cursor_message)
        return cursor


class InOrder(NewestFirst):
    """The tasks of a job as they were given."""

    ordering = ("line", "id")
