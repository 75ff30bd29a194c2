"""Run a receiver: takes what PACS send after a C-MOVE and keeps it for the workers."""

import signal
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from adit.core.receiver.process import ReceiverProcess
from adit.core.receiver.spool import SpoolError


class Command(BaseCommand):
    help = "Receives instances that PACS send after a C-MOVE and keeps them for the workers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", default=settings.RECEIVER_NAME)
        parser.add_argument(
            "--advertised-host",
            default="",
            help="The host name under which workers reach this receiver, if not the bound one.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        host = settings.FILE_TRANSMIT_HOST
        receiver = ReceiverProcess(
            name=options["name"],
            ae_title=settings.RECEIVER_AE_TITLE,
            store_address=(settings.STORE_SCP_HOST, settings.STORE_SCP_PORT),
            transmit_address=(host, settings.FILE_TRANSMIT_PORT),
            advertised_host=options["advertised_host"] or host,
            key=settings.FILE_TRANSMIT_KEY,
            spool_folder=settings.SPOOL_DIR / options["name"],
            reserve_bytes=settings.SPOOL_RESERVE_MB * 1024 * 1024,
            quarantine_after=timedelta(minutes=settings.QUARANTINE_AFTER_MINUTES),
            delete_after=timedelta(days=settings.QUARANTINE_DELETE_DAYS),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: receiver.request_stop())
        try:
            receiver.start()
        except (SpoolError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{settings.RECEIVER_AE_TITLE} listens on {receiver.scp.host}:{receiver.scp.port}, "
            f"files on port {receiver.transmit.port}"
        )
        self.stdout.flush()
        receiver.run()
