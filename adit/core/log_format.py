"""Writes exceptions to logs without what they say: it may quote a value of a patient.

pydicom quotes the value that it cannot read, PostgreSQL the row that it refuses, the operating
system the path of a file, and folders of transfers without pseudonym are named after patients.
Kinds, places and codes of errors tell what to mend. Exceptions of our own say nothing of a patient
(`DicomError`, `DeidentificationError`), so their words stay.
"""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

_OWN = ("adit.", "adit_client.")
_CODES = ("errno", "sqlstate", "status_code")
_LONGEST_CHAIN = 8

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class WithoutValues(logging.Formatter):
    """Formats tracebacks with the frames and the kinds of exceptions only."""

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802
        """The chain of exceptions, the first cause first."""
        chain: list[BaseException] = []
        error = ei[1]
        while error is not None and len(chain) < _LONGEST_CHAIN:
            chain.append(error)
            follows = None if error.__suppress_context__ else error.__context__
            error = error.__cause__ or follows
        return "\n\n".join(_one(error) for error in reversed(chain))


def _one(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    text = f"Traceback (most recent call last):\n{frames}{_name_of(error)}"
    if isinstance(error, BaseExceptionGroup):
        text = "\n\n".join((*map(_one, error.exceptions), text))
    return text


def _name_of(error: BaseException) -> str:
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    if kind.__module__.startswith(_OWN):
        return f"{name}: {error}"
    codes = [f"{code} {value}" for code in _CODES if (value := getattr(error, code, None))]
    return f"{name} ({', '.join(codes)})" if codes else name
