"""Asking for storage commitment of many instances, request by request (PS3.4 Annex J)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from pydicom.uid import generate_uid

from .commitment import (
    CommitmentReport,
    CommitmentReports,
    CommitmentResult,
    ReportStream,
    summarize,
)
from .errors import DicomError

_REFERENCES_PER_REQUEST = 500

# One request: transaction UID, references, where reports come otherwise.
Request = Callable[[str, Sequence[tuple[str, str]], ReportStream | None], CommitmentReport | None]


def request_commitment(
    request: Request,
    references: Iterable[tuple[str, str]],
    reports: CommitmentReports | None,
    server: str,
) -> CommitmentResult:
    """Asks for all `references`, in several requests where they are many.

    After a request that is not answered no other is sent: the patience would be spent again.
    """
    pairs = list(dict.fromkeys(references))
    answers: list[CommitmentReport] = []
    error: DicomError | None = None
    for start in range(0, len(pairs), _REFERENCES_PER_REQUEST):
        transaction = generate_uid(prefix=None)
        expected = reports.expect(transaction) if reports else None
        try:
            with expected or contextlib.nullcontext() as stream:
                part = pairs[start : start + _REFERENCES_PER_REQUEST]
                report = request(transaction, part, stream)
        except DicomError as problem:
            error = problem
            break
        if report is None:
            break
        answers.append(report)
    return summarize({uid: sop_class for sop_class, uid in pairs}, answers, error, server)
