"""Last choices in forms, kept per user; each form names the keys that it keeps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from adit.accounts.models import User


def read_preferences(user: User, form: str, allowed: Collection[str]) -> dict[str, Any]:
    """The last choices in the form named `form`; only keys in `allowed`."""
    kept = user.preferences.get(form, {}) if isinstance(user.preferences, dict) else {}
    return {key: kept[key] for key in allowed if key in kept}


def write_preferences(
    user: User, form: str, allowed: Collection[str], choices: Mapping[str, Any]
) -> None:
    """Keep those of `choices` whose keys are in `allowed`."""
    kept = {**user.preferences.get(form, {})}
    kept.update({key: choices[key] for key in allowed if key in choices})
    user.preferences = {**user.preferences, form: kept}
    user.save(update_fields=["preferences"])
