"""Run a receiver: takes what PACS send after a C-MOVE and keeps it for the workers."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from adit.core.receiver.allowlist import BadSender
from adit.core.receiver.configuration import config_from_settings
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
        try:
            config = config_from_settings(
                name=options["name"], advertised_host=options["advertised_host"]
            )
            receiver = ReceiverProcess(config)
            receiver.start()
        except (BadSender, SpoolError, OSError, RuntimeError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{config.ae_title} listens on {config.store_address[0]}:{receiver.store_port} "
            f"with {config.processes} processes, files on port {receiver.transmit_port}"
        )
        self.stdout.flush()
        receiver.run()
