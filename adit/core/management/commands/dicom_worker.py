from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from adit.core.jobs.queue import DICOM_QUEUE
from adit.core.jobs.worker import run_worker


class Command(BaseCommand):
    help = "Work on transfer and query tasks, one at a time in a child process of its own."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--concurrency", type=int, default=1, help="tasks at once (default: 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        run_worker(DICOM_QUEUE, options["concurrency"])
