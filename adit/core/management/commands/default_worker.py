from typing import Any

from django.core.management.base import BaseCommand

from adit.core.jobs.queue import DEFAULT_QUEUE
from adit.core.jobs.worker import run_worker


class Command(BaseCommand):
    help = "Send mails and do the housekeeping."

    def handle(self, *args: Any, **options: Any) -> None:
        run_worker(DEFAULT_QUEUE, 4)
