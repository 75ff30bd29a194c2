from typing import Any

from django.core.management.base import BaseCommand, CommandError

from adit.accounts.models import User
from adit.settings import env


class Command(BaseCommand):
    help = (
        "Create the first superuser from SUPERUSER_USERNAME, SUPERUSER_EMAIL and "
        "SUPERUSER_PASSWORD (or SUPERUSER_PASSWORD_FILE), without questions; does nothing if the "
        "user is there."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("SUPERUSER_USERNAME", "SUPERUSER_EMAIL", "SUPERUSER_PASSWORD")
        username, email, password = (env.text(name, "") for name in names)
        missing = [n for n, v in zip(names, (username, email, password), strict=True) if not v]
        if missing:
            raise CommandError(f"Set {', '.join(missing)}.")
        if User.objects.filter(username=username).exists():
            self.stdout.write(f"The user {username} is there already.")
            return
        User.objects.create_superuser(username, email, password)
        self.stdout.write(f"Created the superuser {username}.")
