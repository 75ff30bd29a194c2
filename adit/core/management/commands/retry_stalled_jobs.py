from typing import Any

from django.core.management.base import BaseCommand

from adit.core.jobs.sweep import sweep


class Command(BaseCommand):
    help = (
        "Take back the tasks of workers that are gone, and queue what may run (workers do it too)."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        sweep()
