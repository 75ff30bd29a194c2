"""Storage commitment (PS3.4 Annex J): the server says that it keeps what it took.

The server may answer on the association of the request, or later on one that it opens to our
receiver. The receiver is another process, so what it gets is handed in as `CommitmentReports`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Protocol

from pydicom import Dataset, dcmread

from .errors import DicomError, TransientDicomError
from .file_meta import encode_head

STORAGE_COMMITMENT_CLASS = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"

# Event Type IDs of a report: all are safe; some are not (PS3.4 Table J.3-2).
EVENT_TYPES = (1, 2)

# Failure Reason, PS3.3 C.14.1.1.
_OTHER_CLASS = 0x0119
_REASONS = {
    0x0110: "the server failed while it processed the request",
    0x0112: "the server does not have the instance",
    _OTHER_CLASS: "the instance is of another SOP class there",
    0x0122: "the server does not commit itself to this SOP class",
    0x0131: "the transaction UID was used before",
    0x0213: "the server has no resources left",
}


class MalformedReport(ValueError):
    """The bytes are no report of storage commitment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentReport:
    """One N-EVENT-REPORT (PS3.4 J.3.3): for which instances the server takes responsibility.

    Attributes:
        transaction_uid: Of the request that it answers.
        committed: SOP Instance UIDs that are safe.
        failed: Failure Reason by SOP Instance UID of those that are not.
        classes: The SOP Class UIDs under which it named those that are safe.
    """

    transaction_uid: str
    committed: frozenset[str] = frozenset()
    failed: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentResult:
    """What came of a request for storage commitment.

    Attributes:
        committed: SOP Instance UIDs that the server takes responsibility for.
        failed: Why not, in words, by SOP Instance UID.
        unanswered: SOP Instance UIDs of which the server said nothing in time.
        error: Why there is no (whole) answer.
    """

    committed: frozenset[str] = frozenset()
    failed: Mapping[str, str] = field(default_factory=dict)
    unanswered: frozenset[str] = frozenset()
    error: DicomError | None = None

    @property
    def complete(self) -> bool:
        """Whether the server takes responsibility for all of them."""
        return not self.failed and not self.unanswered


class ReportStream(Protocol):
    """Reports on one transaction, in the order of arrival."""

    def take(self, timeout: float) -> CommitmentReport | None:
        """Waits for a report; None after `timeout` seconds."""
        ...


class CommitmentReports(Protocol):
    """What the receivers get by N-EVENT-REPORT."""

    def expect(self, transaction_uid: str) -> AbstractContextManager[ReportStream]:
        """Announces a request before it is sent; reports on it are kept until the block ends."""
        ...


def reason_text(reason: int) -> str:
    """A Failure Reason in words."""
    return _REASONS.get(reason, f"the server gave the reason {reason:04X}")


def read_report(data: bytes, transfer_syntax_uid: str) -> CommitmentReport:
    """Reads the Event Information of an N-EVENT-REPORT (PS3.4 Table J.3-2).

    Raises:
        MalformedReport: If it is none.
    """
    head = encode_head(STORAGE_COMMITMENT_CLASS, STORAGE_COMMITMENT_INSTANCE, transfer_syntax_uid)
    try:
        ds = dcmread(BytesIO(head + data), force=True)
        transaction = str(ds.get("TransactionUID") or "").strip(" \0")
        classes = {
            _uid(item): _uid(item, "ReferencedSOPClassUID")
            for item in ds.get("ReferencedSOPSequence") or ()
        }
        failed = {
            _uid(item): int(item.get("FailureReason") or 0x0110)
            for item in ds.get("FailedSOPSequence") or ()
        }
    except Exception as error:
        raise MalformedReport("The report cannot be read.") from error
    if not transaction:
        raise MalformedReport("The report names no transaction.")
    # What is in both lists is not safe.
    return CommitmentReport(
        transaction_uid=transaction,
        committed=frozenset(classes.keys() - failed.keys()),
        failed=failed,
        classes=classes,
    )


def _uid(item: Dataset, keyword: str = "ReferencedSOPInstanceUID") -> str:
    return str(item.get(keyword) or "").strip(" \0")


def summarize(
    references: Mapping[str, str],
    reports: list[CommitmentReport],
    error: DicomError | None,
    server: str,
) -> CommitmentResult:
    """What the reports mean for the instances that were asked about.

    Args:
        references: SOP Class UID by SOP Instance UID. What the server names under another class is
            another object.
    """
    wanted = frozenset(references)
    failed = {
        uid: reason_text(reason)
        for report in reports
        for uid, reason in report.failed.items()
        if uid in wanted
    }
    for report in reports:
        for uid in report.committed & wanted:
            if (report.classes.get(uid) or references[uid]) != references[uid]:
                failed.setdefault(uid, reason_text(_OTHER_CLASS))
    committed = wanted & frozenset().union(*(report.committed for report in reports))
    committed -= failed.keys()
    unanswered = wanted - committed - failed.keys()
    if unanswered and error is None:
        error = TransientDicomError(
            f"{server} did not report on {len(unanswered)} of {len(wanted)} instances.",
            code="no commitment",
            advice="The server must know our AE title, host and port to report.",
        )
    return CommitmentResult(
        committed=committed,
        failed=failed,
        unanswered=unanswered,
        error=error if unanswered else None,
    )
