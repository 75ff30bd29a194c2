"""What every app builds on: DICOM, de-identification, transfer, jobs and their pages."""

import gc

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CoreConfig(AppConfig):
    name = "adit.core"
    label = "core"
    verbose_name = "ADIT"

    def ready(self) -> None:
        from adit.core import checks, receiver_checks  # noqa: F401
        from adit.core.default_profile import ensure_default_profile
        from adit.core.jobs import folder_mails, notices  # noqa: F401

        post_migrate.connect(ensure_default_profile, sender=self)
        # What is loaded by now is never searched for garbage again.
        gc.freeze()
        gc.enable()
