"""When and how fast a server may be used, and which kinds of jobs are suspended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from adit.core.models.nodes import DicomServer

WEEKDAYS = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)


def validate_weekdays(value: object) -> None:
    """Raise unless `value` is a list of different numbers from 0 (Monday) to 6."""
    if (
        not isinstance(value, list)
        or not value
        or any(type(day) is not int or not 0 <= day <= 6 for day in value)
        or len(set(value)) < len(value)
    ):
        raise ValidationError("Choose at least one weekday, each once (0 is Monday, 6 Sunday).")


class ServerHours(models.Model):
    """Some hours of the week in which tasks may start at a server.

    A server without any may be used always. Where `until` is not after `since` the hours pass
    midnight; they belong to the weekday on which they begin. Tasks that run when the hours are
    over go on to their end.
    """

    server = models.ForeignKey(DicomServer, on_delete=models.CASCADE, related_name="hours")
    weekdays = models.JSONField(validators=[validate_weekdays], help_text="0 is Monday, 6 Sunday.")
    since = models.TimeField("from")
    until = models.TimeField("to")

    if TYPE_CHECKING:
        server_id: int

    class Meta:
        ordering = ["id"]
        verbose_name = "hours"
        verbose_name_plural = "hours"

    def __str__(self) -> str:
        days = ", ".join(WEEKDAYS[day][:3] for day in self.weekdays)
        return f"{days} {self.since:%H:%M} to {self.until:%H:%M}"


class ServerPace(models.Model):
    """Until when the instances per second of a server are given away already, over all workers."""

    server = models.OneToOneField(
        DicomServer, primary_key=True, on_delete=models.CASCADE, related_name="+"
    )
    next_free = models.DateTimeField()

    def __str__(self) -> str:
        return f"Pace of {self.server_id}"  # type: ignore[attr-defined]


class ServerTurn(models.Model):
    """When a task of an owner last started at a server: who waited longest has the next turn."""

    server = models.ForeignKey(
        DicomServer, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    last_start = models.DateTimeField()

    objects: Any = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["server", "owner"], name="one_turn_per_server_and_owner"
            )
        ]

    def __str__(self) -> str:
        return f"Turn of {self.owner_id} at {self.server_id}"  # type: ignore[attr-defined]


class JobKindSettings(models.Model):
    """What staff has set for a kind of job. A kind without a row has the defaults."""

    kind = models.CharField(max_length=32, unique=True)
    is_suspended = models.BooleanField(
        "suspended", default=False, help_text="Running tasks finish, nothing new starts."
    )

    objects: Any = models.Manager()

    class Meta:
        ordering = ["kind"]
        verbose_name = "settings of a kind of job"
        verbose_name_plural = "settings of kinds of jobs"

    def __str__(self) -> str:
        return self.kind
