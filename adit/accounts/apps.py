"""People, their groups and their settings."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "adit.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from adit.accounts import membership  # noqa: F401
