"""Permissions of the active group."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission


class ActiveGroupBackend(ModelBackend):
    """Log in by name or e-mail address; of all groups only the active one gives permissions."""

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if username and "@" in username:
            from adit.accounts.models import User

            found = User.objects.filter(email__iexact=username).first()
            username = found.username if found else username
        return super().authenticate(request, username=username, password=password, **kwargs)

    def _get_group_permissions(self, user_obj: Any) -> Any:
        return Permission.objects.filter(group=user_obj.active_group_id)
