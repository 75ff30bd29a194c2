"""Registers the kind where `adit.settings.test_jobs` is in use."""

from django.apps import AppConfig


class TestJobsConfig(AppConfig):
    name = "adit.test_jobs"
    label = "test_jobs"

    def ready(self) -> None:
        from adit.core.jobs.registry import register
        from adit.test_jobs.kind import BULK, SCRIPTED

        register(SCRIPTED)
        register(BULK)
