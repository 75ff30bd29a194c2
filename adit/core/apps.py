"""What every app builds on: DICOM, de-identification, transfer, jobs and their pages."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "adit.core"
    label = "core"
    verbose_name = "ADIT"

    def ready(self) -> None:
        from adit.core import checks  # noqa: F401
