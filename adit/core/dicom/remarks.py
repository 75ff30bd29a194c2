"""What a search has to say beside its results, and when it may not end as if all were well."""

from __future__ import annotations

from dataclasses import dataclass, field

from .advice import ASK_ADMIN
from .broken_lists import BrokenOff
from .errors import PermanentDicomError, TransientDicomError

# The code of what could not be read: the server does answer, and more than was understood.
UNREADABLE = "unreadable"


@dataclass(slots=True)
class Remarks:
    """Noted while the answers come.

    Attributes:
        held_back: Whether the server says or shows that it has more.
        broken_off: Why the server's list ended before its end, None where it did not.
        left_after: So many answers came before the server was left, as it did not end; 0: it ended.
        read: How many answers could be read.
        unreadable: How many could not: not even the UID of what they are about.
        shared_id: Whether different patients were found under one patient ID.
        dropped: How many answers are not shown as they lack what was asked for.
        dropped_for: What these lack.
        untold: What was asked for and not told of some results, which may not fit.
    """

    server: str
    held_back: bool = False
    broken_off: BrokenOff | None = None
    left_after: int = 0
    read: int = 0
    unreadable: int = 0
    shared_id: bool = False
    dropped: int = 0
    dropped_for: dict[str, None] = field(default_factory=dict)
    untold: dict[str, None] = field(default_factory=dict)

    def note_held_back(self) -> None:
        """The server holds results back."""
        self.held_back = True

    def note_broken_off(self, error: BrokenOff) -> None:
        """The server's list ended before its end: it holds results back."""
        self.broken_off = error
        self.held_back = True

    def sentences(self) -> tuple[str, ...]:
        """For whoever reads the list."""
        found = []
        if self.unreadable:
            found.append(f"{_answers(self.unreadable)} of {self.server} could not be read.")
        if self.broken_off is not None:
            found.append(f"{self.broken_off.message} There may be more.")
        if self.left_after:
            found.append(f"{self.server} did not end: it was left after {self.left_after} answers.")
        if self.shared_id:
            found.append(
                f"{self.server} has different patients under one patient ID: compare birth dates."
            )
        if self.dropped:
            what = " and ".join(self.dropped_for)
            found.append(
                f"{_answers(self.dropped)} of {self.server} may fit and {_are(self.dropped)} left "
                f"out: it does not tell the {what} that was asked for."
            )
        if self.untold:
            what = " and ".join(self.untold)
            found.append(f"{self.server} does not tell the {what} of some: these may not fit.")
        return tuple(found)

    def unreadable_error(self) -> PermanentDicomError:
        """What could not be read is missing in the list, and may be what is wanted."""
        return PermanentDicomError(
            f"{_answers(self.unreadable)} of {self.server} to a query could not be read: broken, "
            "or without the UID of what was asked for.",
            code=UNREADABLE,
            advice=f"{ASK_ADMIN}: what these answers stand for would be missed.",
        )


def without_end(server: str, answers: int) -> TransientDicomError:
    """A query brings ever more answers, more than there can be, or too slowly."""
    return TransientDicomError(
        f"{server} did not end its answer to a query: it was left after {answers} answers.",
        code="no progress",
        advice=f"{ASK_ADMIN} whether it looks at the keys of queries.",
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _answers(count: int) -> str:
    return "1 answer" if count == 1 else f"{count} answers"
