"""Fields of JSON objects that people edit; errors name the field in one sentence."""

from __future__ import annotations

from typing import Any

_MISSING = object()


def _field(data: dict[str, Any], name: str, default: Any) -> Any:
    if not isinstance(data, dict):
        raise ValueError("An entry is an object with named fields.")
    value = data.get(name, default)
    if value is _MISSING:
        raise ValueError(f"{name}: this field is missing.")
    return value


def text_field(data: dict[str, Any], name: str, default: Any = _MISSING) -> str:
    """A field that holds text."""
    value = _field(data, name, default)
    if not isinstance(value, str):
        raise ValueError(f"{name}: this field is text.")
    return value


def number_field(data: dict[str, Any], name: str, default: Any = _MISSING) -> int:
    """A field that holds a whole number; text of hexadecimal digits with `0x` is one."""
    value = _field(data, name, default)
    if isinstance(value, str):
        try:
            value = int(value, 0)
        except ValueError:
            raise ValueError(f"{name}: this field is a whole number.") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name}: this field is a whole number.")
    return value
