"""Pages of long answers, by cursor: nothing is left out or told twice while rows are added."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """`next` and `previous` are the addresses of the neighbours; `limit` up to 500."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500


class InOrder(NewestFirst):
    """The tasks of a job as they were given."""

    ordering = ("line", "id")
