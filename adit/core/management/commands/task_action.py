from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser

from adit.core.jobs.actions import TASK_ACTIONS, act_on_tasks
from adit.core.management.acting_user import acting_user, add_user_argument


class Command(BaseCommand):
    help = (
        "Do an action on tasks, as a user would on the page of their job. What does not fit is "
        "refused with the reason and exit code 1; the others are done all the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=list(TASK_ACTIONS))
        parser.add_argument("task_ids", type=int, nargs="+")
        add_user_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        user = acting_user(options["user"])
        try:
            outcome = act_on_tasks(user, options["action"], options["task_ids"])
        except PermissionDenied as err:
            raise CommandError(str(err)) from err
        past = TASK_ACTIONS[options["action"]].past
        for task_id in outcome.done:
            self.stdout.write(f"{outcome.names[task_id].capitalize()} is {past}.")
        if outcome.refused:
            reasons = [reason for _, reason in outcome.refused]
            counts = f"{len(outcome.done)} done, {len(reasons)} refused."
            raise CommandError("\n".join([*reasons, counts]))
