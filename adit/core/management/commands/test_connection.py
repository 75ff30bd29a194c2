from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from adit.core.connections import check_server
from adit.core.models import DicomServer


class Command(BaseCommand):
    help = "Test the connection to a DICOM server, and tell what it offers."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("node", help="name of the server")

    def handle(self, *args: Any, **options: Any) -> None:
        server = DicomServer.objects.filter(name=options["node"]).first()
        if server is None:
            known = ", ".join(DicomServer.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no server {options['node']!r}. Known servers: {known}.")
        report = check_server(None, server)
        for line in report.lines():
            self.stdout.write(line)
        if not report.passed:
            raise CommandError(f"The connection test of {server} failed.")
