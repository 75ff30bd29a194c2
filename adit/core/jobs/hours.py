"""When a server may be used: weekly hours, as pure functions of the time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo


@dataclass(frozen=True)
class Hours:
    """Some hours of the week, by the clock on the wall.

    Attributes:
        weekdays: on which they begin; 0 is Monday.
        since, until: where `until` is not after `since` they end on the next day.
    """

    weekdays: frozenset[int]
    since: time
    until: time

    def spans(self, now: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
        """Begin and end of those around `now`, from yesterday's to those a week ahead."""
        today = now.astimezone(zone).date()
        for offset in range(-1, 9):
            day = today + timedelta(days=offset)
            if day.weekday() not in self.weekdays:
                continue
            last = day if self.until > self.since else day + timedelta(days=1)
            yield (
                datetime.combine(day, self.since, tzinfo=zone),
                datetime.combine(last, self.until, tzinfo=zone),
            )


def is_open(hours: Collection[Hours], now: datetime, zone: tzinfo) -> bool:
    """Whether `now` lies in one of the hours; always where there are none."""
    # Differences of aware times of one zone count the clock's face: compare by the instant.
    instant = now.timestamp()
    return not hours or any(
        begin.timestamp() <= instant < end.timestamp()
        for some in hours
        for begin, end in some.spans(now, zone)
    )


def opens_at(hours: Collection[Hours], now: datetime, zone: tzinfo) -> datetime | None:
    """When the next of the hours begin; None where they never do."""
    instant = now.timestamp()
    begins = [b for some in hours for b, _ in some.spans(now, zone) if b.timestamp() > instant]
    return min(begins, key=datetime.timestamp, default=None)
