"""Says whether the file of a receipt is as it was signed."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from adit.core.pages.receipt_verification import verify


class Command(BaseCommand):
    """Exits with 0 where all files are valid, else with 1."""

    help = "Verify receipts (PDF, JSON or CSV): valid, changed or unknown, with the reason."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        failed = 0
        for path in options["files"]:
            try:
                data = path.read_bytes()
            except OSError as err:
                raise CommandError(f"{path}: {err.strerror}") from err
            verdict = verify(data)
            self.stdout.write(f"{path}: {verdict.result}. {verdict.reason}")
            for difference in verdict.differences:
                self.stdout.write(f"  - {difference}")
            failed += verdict.result != "valid"
        if failed:
            raise CommandError(f"{failed} of {len(options['files'])} files are not valid.")
