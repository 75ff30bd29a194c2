"""People. Which rights count is decided by the active group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import AbstractUser, Group
from django.db import models


class User(AbstractUser):
    """A user whose active group decides which nodes he may use."""

    class Theme(models.TextChoices):
        AUTO = "auto", "Auto"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    email = models.EmailField("e-mail address", unique=True)
    phone = models.CharField(max_length=32, blank=True)
    department = models.CharField(max_length=128, blank=True)
    active_group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    theme = models.CharField(max_length=8, choices=Theme.choices, default=Theme.AUTO)
    # Last choices in forms, written through a whitelist of each form.
    preferences = models.JSONField(default=dict, blank=True, editable=False)

    if TYPE_CHECKING:
        active_group_id: int | None

    def activate_group(self, group: Group) -> None:
        """Make `group` decide about this user's rights from now on.

        Raises:
            ValueError: the user is not a member of the group.
        """
        if not self.groups.filter(pk=group.pk).exists():
            raise ValueError(f"{self.username} is not a member of {group.name}.")
        self.active_group = group
        self.save(update_fields=["active_group"])
