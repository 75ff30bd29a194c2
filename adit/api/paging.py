"""Pages of long answers, by cursor: nothing is left out or told twice while rows are added."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

# Ids and lines have fewer digits than PostgreSQL's bigint can hold.
_MOST_DIGITS = 18
_NO_CURSOR = "Not one that `next` or `previous` have given."


class NewestFirst(CursorPagination):
    """`next` and `previous` are the addresses of the neighbours; `limit` up to 500."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500

    def get_page_size(self, request: Request) -> int:
        """The number of entries on a page.

        Raises:
            ValidationError: `limit` is none.
        """
        limit = request.query_params.get("limit", str(self.page_size))
        if not (
            limit.isascii() and limit.isdecimal() and 1 <= int(limit[:9]) <= self.max_page_size
        ):
            raise ValidationError({"limit": f"Not a number from 1 to {self.max_page_size}."})
        return int(limit)

    def decode_cursor(self, request: Request) -> Any:
        """The place that a cursor names.

        Raises:
            ValidationError: it is none that `next` or `previous` have given.
        """
        try:
            cursor: Any = super().decode_cursor(request)
        except NotFound:
            raise ValidationError({"cursor": _NO_CURSOR}) from None
        place = cursor.position if cursor else None
        if place is not None and not (
            place.isascii() and place.isdecimal() and len(place) <= _MOST_DIGITS
        ):
            raise ValidationError({"cursor": _NO_CURSOR})
        return cursor


class InOrder(NewestFirst):
    """The tasks of a job as they were given."""

    ordering = ("line", "id")
