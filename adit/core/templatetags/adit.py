"""How pages write states, sizes, times and rates."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone

register = template.Library()

_ICONS = {
    "UNVERIFIED": "patch-question",
    "PENDING": "hourglass-split",
    "IN_PROGRESS": "arrow-left-right",
    "CANCELING": "slash-circle",
    "CANCELED": "slash-circle",
    "SUCCESS": "check-circle-fill",
    "WARNING": "exclamation-triangle-fill",
    "FAILURE": "x-octagon-fill",
    "EXCLUDED": "dash-circle",
}
_LEVEL_ICONS = {"info": "dot", "warning": "exclamation-triangle-fill", "error": "x-octagon-fill"}
_UNITS = ("B", "KB", "MB", "GB", "TB")


@register.filter
def state_icon(state: str) -> str:
    """The name of the icon that goes with a state's word."""
    return _ICONS.get(state, "circle")


@register.filter
def state_word(state: str) -> str:
    """`IN_PROGRESS` as people write it."""
    return str(state).replace("_", " ").capitalize()


@register.filter
def level_icon(level: str) -> str:
    """The name of the icon of an event's level."""
    return _LEVEL_ICONS.get(level, "dot")


@register.filter
def size(number: int | float | None) -> str:
    """A number of bytes in decimal units with three digits: `1.23 GB`."""
    value = float(number or 0)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            digits = 0 if unit == "B" or value >= 99.95 else 1 if value >= 9.995 else 2
            return f"{value:.{digits}f} {unit}"
        value /= 1000
    raise AssertionError("the last unit ends the loop")


@register.filter
def duration(value: timedelta | float | None) -> str:
    """A span of time in its two largest units: `2 h 5 min`."""
    if value is None:
        return "–"
    seconds = int(value.total_seconds() if isinstance(value, timedelta) else value)
    if seconds < 60:
        return f"{max(0, seconds)} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if minutes < 10 and seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


@register.filter
def ago(value: datetime | None) -> str:
    """How long a moment is past, or still to come."""
    if value is None:
        return ""
    span = timezone.now() - value
    if abs(span) < timedelta(seconds=5):
        return "just now"
    if span > timedelta(0):
        return f"{duration(span)} ago"
    return f"in {duration(-span)}"


@register.filter
def rate(value: float | None) -> str:
    """Instances per second: `38.2/s`."""
    return f"{value:.1f}/s" if value else "–"


@register.filter
def joined(values: Any) -> str:
    """A list of texts with commas."""
    return ", ".join(map(str, values or []))
