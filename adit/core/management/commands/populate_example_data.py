from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from adit.core import example_data


class Command(BaseCommand):
    help = "Make example users, groups, nodes and a profile."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reset",
            action="store_true",
            help="first remove the example nodes and the jobs of the example users",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["reset"]:
            example_data.remove()
        example_data.populate()
        self.stdout.write("Example data are there: users admin, researcher, physician.")
