"""Who acts when an action is called from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

if TYPE_CHECKING:
    from adit.accounts.models import User


def add_user_argument(parser: CommandParser) -> None:
    parser.add_argument("--user", required=True, help="name of the user who acts")


def acting_user(username: str) -> User:
    """The active user of that name.

    Raises:
        CommandError: there is none.
    """
    user = get_user_model().objects.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active user {username}.")
    return user  # type: ignore[return-value]
