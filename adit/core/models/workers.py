"""The processes that work on tasks."""

from __future__ import annotations

from typing import Any

from django.db import models


class Worker(models.Model):
    """A `dicom_worker` that takes tasks; it says so every few seconds, and when it stops."""

    name = models.CharField(max_length=128, unique=True, help_text="Host and process.")
    slots = models.PositiveSmallIntegerField(help_text="So many tasks at once.")
    seen = models.DateTimeField()

    objects: Any = models.Manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
