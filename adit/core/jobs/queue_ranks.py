"""The numbers that make workers take the rows of the queue in the order of the policy.

Procrastinate takes the row with the largest number first. The numbers of rows that are in the
right order already stay as they are: a row that is written cannot be taken at this moment.
"""

from __future__ import annotations

from collections.abc import Sequence

# Urgent tasks, then archives, with which whole jobs end, then all other tasks.
_URGENT = range(1_000_000_001, 2**31 - 1)
ARCHIVE_RANK = 1_000_000_000
_OTHERS = range(-(2**31) + 1, ARCHIVE_RANK)
# So far apart that what comes later finds a place between.
_STEP = 1000


def ranks(known: Sequence[tuple[bool, int | None]]) -> list[int]:
    """The numbers for rows in their order, each given as (urgent, the number it has or None).

    All urgent rows come before all others.
    """
    urgent = [rank for is_urgent, rank in known if is_urgent]
    others = [rank for is_urgent, rank in known if not is_urgent]
    return _fit(urgent, _URGENT) + _fit(others, _OTHERS)


def _fit(known: Sequence[int | None], band: range) -> list[int]:
    # Those that keep their numbers: each smaller than the one before.
    kept: list[int | None] = []
    last = band.stop
    for rank in known:
        keeps = rank is not None and band.start <= rank < last
        kept.append(rank if keeps else None)
        last = rank if rank is not None and keeps else last
    filled: list[int] = []
    last = band.stop
    for i, rank in enumerate(kept):
        if rank is None:
            following = next((other for other in kept[i:] if other is not None), None)
            rank = _between(last, following, band)
        if not band.start <= rank < last:
            return _anew(len(known), band)
        filled.append(rank)
        last = rank
    return filled


def _between(last: int, following: int | None, band: range) -> int:
    """A number below `last` and above `following`, which is the number of the next row that has
    one; not above it where there is no room."""
    if following is None:
        return last - _STEP if last < band.stop else (band.start + band.stop) // 2
    return min(following + _STEP, (last + following + 1) // 2)


def _anew(number: int, band: range) -> list[int]:
    middle = (band.start + band.stop) // 2
    return [middle - i * _STEP for i in range(number)]
