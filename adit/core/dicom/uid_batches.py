"""Long lists of UIDs in several requests: neither a value of C-FIND nor a URL takes any number.

In explicit VR a value has 65534 bytes at most (PS3.5 7.1.2), many web servers take 8 KB for the
whole line of a request, and databases behind them limit lists, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .attributes import Attributes
from .config import QueryProtocol
from .query import Query, uid_list

# By field of a query: the attribute that it is compared with.
_LISTS = {
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "sop_instance_uid": "SOPInstanceUID",
}
_MOST_UIDS = 250
# So many characters of UIDs go with one request.
LONGEST = {QueryProtocol.C_FIND: 16_000, QueryProtocol.QIDO_RS: 4_000}


def in_batches(query: Query, longest: int) -> list[Query]:
    """The same search as one or several queries, whose answers together are those to `query`.

    Args:
        query: With lists of UIDs of any length.
        longest: So many characters a list may have, separators included.
    """
    queries = [query]
    for name in _LISTS:
        uids = tuple(dict.fromkeys(uid_list(getattr(query, name))))
        if len(uids) > 1:
            parts = list(_parts(uids, longest))
            queries = [replace(one, **{name: part}) for one in queries for part in parts]
    return queries


def halved(query: Query) -> list[Query]:
    """The same search as two queries, each with half of the longest list; [] without any list."""
    name = max(_LISTS, key=lambda one: len(uid_list(getattr(query, one))))
    uids = uid_list(getattr(query, name))
    if len(uids) < 2:
        return []
    middle = len(uids) // 2
    return [replace(query, **{name: part}) for part in (uids[:middle], uids[middle:])]


def may_answer(query: Query, answer: Attributes) -> bool:
    """Whether an answer is to this part of a search: a server that does not look at the list gives
    everything to each part."""
    for name, keyword in _LISTS.items():
        uids = uid_list(getattr(query, name))
        uid = answer.uid(keyword)
        if uids and uid and uid not in uids:
            return False
    return True


def _parts(uids: Sequence[str], longest: int) -> Iterator[tuple[str, ...]]:
    part: list[str] = []
    length = 0
    for uid in uids:
        if part and (len(part) >= _MOST_UIDS or length + len(uid) + 1 > longest):
            yield tuple(part)
            part, length = [], 0
        part.append(uid)
        length += len(uid) + 1
    yield tuple(part)
