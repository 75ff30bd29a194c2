"""What a profile does to one object, element by element, without writing it anywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO

from .errors import ExcludedModality
from .profile import Assignment, Profile
from .pseudonymizer import Pseudonymizer
from .report import Finding
from .tracing import SHOWN_LENGTH, PreviewRow, PreviewTrace

__all__ = ["SHOWN_LENGTH", "Preview", "PreviewRow", "preview"]


@dataclass(slots=True)
class Preview:
    """Rows in the order of the object, and what would happen to it as a whole.

    Attributes:
        rows: Sequences have a row of their own, their items' elements follow below.
        findings: Why the object would be held.
        excluded: Why the object would not be transferred; there are no rows then.
        unknown: Attributes never seen before, as in `DeidResult`.
    """

    rows: list[PreviewRow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    excluded: str = ""
    unknown: Counter[str] = field(default_factory=Counter)


class _Nowhere:
    def write(self, data: bytes, /) -> int:
        return len(data)


def preview(
    profile: Profile, assignment: Assignment, source: BinaryIO, transfer_syntax_uid: str
) -> Preview:
    """De-identifies a data set by the very engine and tells what happened to each element.

    Args:
        profile: In force.
        assignment: Who the subject becomes.
        source: Encoded data set without preamble and file meta information; may end before its
            pixel data.
        transfer_syntax_uid: Of the source.

    Raises:
        MalformedDataset: The source is not a data set in this transfer syntax.
        TruncatedDataset: The source ends in the middle of an element.
    """
    trace = PreviewTrace()
    pseudonymizer = Pseudonymizer(profile, assignment)
    try:
        result = pseudonymizer.process(source, _Nowhere(), transfer_syntax_uid, trace=trace)
    except ExcludedModality as error:
        return Preview(excluded=str(error))
    if result.excluded:
        return Preview(excluded=result.excluded)
    return Preview(trace.finish(), result.findings, "", result.unknown)
