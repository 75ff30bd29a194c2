"""The audit log: it listens to what the other parts announce."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "adit.audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        from adit.audit import listeners  # noqa: F401
