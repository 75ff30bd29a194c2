from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser

from adit.core.jobs.actions import JOB_ACTIONS, Conflict, NoSuchJob
from adit.core.management.acting_user import acting_user, add_user_argument


class Command(BaseCommand):
    help = "Do an action on a job, as a user would on its page."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=list(JOB_ACTIONS))
        parser.add_argument("job_id", type=int)
        add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        user = acting_user(options["user"])
        try:
            outcome = JOB_ACTIONS[options["action"]](user, options["job_id"])
        except (NoSuchJob, PermissionDenied, Conflict) as err:
            raise CommandError(str(err)) from err
        self.stdout.write(outcome)
