"""Choices that people pick in a list and scripts name."""

from __future__ import annotations

from typing import Any

from django import forms


class NamedChoiceField(forms.ModelChoiceField):
    """Takes an object's id or its name; of several with one name the first of the queryset."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Select(attrs={"class": "form-select"}))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and text and not text.isdecimal():
            # PostgreSQL takes no NUL in a text.
            known = self.queryset is not None and "\0" not in text
            found = self.queryset.filter(name=text).first() if known else None  # type: ignore[union-attr]
            text = found.pk if found else "0"
        return super().to_python(text)
