"""When a server may be used: weekly hours, as pure functions of the time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
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


@dataclass(frozen=True)
class Opening:
    """When all of several servers are open at once.

    Attributes:
        at: the first such time; None where there is none.
        held_up_by: names of those whose hours make it later than was asked for.
    """

    at: datetime | None
    held_up_by: tuple[str, ...] = ()


def all_open_at(
    servers: Mapping[str, tuple[Collection[Hours], tzinfo]], first: datetime
) -> Opening:
    """When all the servers, given by name, are open at once from `first` on. The time is in the
    zone of the server that opens last."""
    moment, held_up_by = first, dict.fromkeys(servers, False)
    # What does not meet within a week and two days never does.
    while moment.timestamp() - first.timestamp() < 9 * 86400:
        closed = [
            name for name, hours in servers.items() if not is_open(hours[0], moment, hours[1])
        ]
        if not closed:
            return Opening(moment, tuple(name for name, held in held_up_by.items() if held))
        held_up_by |= dict.fromkeys(closed, True)
        openings = [opens_at(servers[name][0], moment, servers[name][1]) for name in closed]
        begins = [begin for begin in openings if begin is not None]
        if len(begins) < len(openings):
            break
        moment = max(begins, key=datetime.timestamp)
    return Opening(None, tuple(name for name, held in held_up_by.items() if held))
