"""Typed access to environment variables that names the variable when a value is nonsense."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_environ = environ.Env()

_TRUE = {"1", "true", "yes", "on", "y", "t"}
_FALSE = {"0", "false", "no", "off", "n", "f"}
_MISSING: Any = object()


def load_dotenv(path: Path) -> None:
    """Read `path` into the environment; variables that are set already win. Tests read none, so
    that they find the same on every machine."""
    if path.is_file() and os.environ.get("ENVIRONMENT") != "test":
        environ.Env.read_env(str(path), overwrite=False)


def raw(name: str, default: Any = _MISSING) -> str:
    """Return the text of `name`, or of the file that `<name>_FILE` points to.

    Raises:
        ImproperlyConfigured: the variable is not set and there is no default, or both
            `name` and `<name>_FILE` are set, or the file cannot be read.
    """
    value, file = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value is not None and file:
        raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
    if file:
        try:
            return Path(file).read_text().strip()
        except OSError as err:
            raise ImproperlyConfigured(f"{name}_FILE: cannot read {file}: {err.strerror}") from err
    if value is None:
        if default is _MISSING:
            raise ImproperlyConfigured(f"Set the environment variable {name}.")
        return default
    return value


def text(name: str, default: Any = _MISSING, max_length: int | None = None) -> str:
    value = raw(name, default).strip()
    if max_length is not None and len(value) > max_length:
        raise ImproperlyConfigured(f"{name} may have {max_length} characters at most: {value!r}")
    return value


def choice(name: str, default: str, choices: Sequence[str]) -> str:
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def boolean(name: str, default: bool) -> bool:
    value = text(name, "true" if default else "false").lower()
    if value in _TRUE:
        return True
    if value in _FALSE or not value:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")


def integer(name: str, default: int, minimum: int | None = None, maximum: int | None = None) -> int:
    value = text(name, str(default))
    try:
        number = int(value)
    except ValueError as err:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from err
    if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
        low = "any" if minimum is None else minimum
        high = "any" if maximum is None else maximum
        raise ImproperlyConfigured(f"{name} must lie between {low} and {high}, not {number}.")
    return number


def port(name: str, default: int) -> int:
    return integer(name, default, 1, 65535)


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma separated list; blanks around the entries do not count."""
    return [word.strip() for word in text(name, ",".join(default)).split(",") if word.strip()]


def ae_title(name: str, default: str) -> str:
    """An Application Entity title: 1 to 16 characters, no backslash or control characters
    (PS3.5 6.2, VR AE)."""
    value = text(name, default, max_length=16)
    if not value or "\\" in value or not value.isascii() or not value.isprintable():
        raise ImproperlyConfigured(f"{name} is not a valid AE title: {value!r}")
    return value


def database(name: str, default: Any = _MISSING) -> dict[str, Any]:
    url = text(name, default)
    try:
        config = dict(_environ.db_url_config(url))
    except Exception as err:
        raise ImproperlyConfigured(f"{name} is not a database URL.") from err
    if config.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured(f"{name} must be a postgresql:// URL.")
    return config


def email(name: str, default: str) -> dict[str, Any]:
    try:
        return dict(_environ.email_url_config(text(name, default)))
    except Exception as err:
        raise ImproperlyConfigured(f"{name} is not an e-mail URL.") from err
