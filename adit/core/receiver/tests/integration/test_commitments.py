"""A PACS that reports on an association of its own reaches the worker that waits."""

import threading
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role

from adit.core.dicom import CommitmentReport, ServerConfig
from adit.core.dicom.commitment import STORAGE_COMMITMENT_CLASS, STORAGE_COMMITMENT_INSTANCE
from adit.core.factories import DicomServerFactory
from adit.core.models import ExpectedReport, ReceivedReport, RefusedSender
from adit.core.receiver.commitments import ReceivedReports
from adit.stack.ports import wait_until

from .conftest import AE_TITLE, ReceiverUnderTest

pytestmark = [pytest.mark.integration, pytest.mark.processes]

TRANSACTION = "1.2.3.99"


PACS = ServerConfig(name="PACS", ae_title="PACS", host="127.0.0.1", sender_ae_titles=("SPARE",))


def report(
    port: int,
    called: str,
    event_type: int = 1,
    *,
    ds: Dataset | None = None,
    calling: str = "PACS",
) -> int:
    """Send an N-EVENT-REPORT as the provider of storage commitment; returns the status."""
    if ds is None:
        ds = Dataset()
        ds.TransactionUID = TRANSACTION
        ds.ReferencedSOPSequence = [_reference("1.2.3.1"), _reference("1.2.3.2")]
        failed = _reference("1.2.3.3")
        failed.FailureReason = 0x0112
        ds.FailedSOPSequence = [failed]
    ae = AE(calling)
    ae.add_requested_context(STORAGE_COMMITMENT_CLASS)
    role = build_role(STORAGE_COMMITMENT_CLASS, scp_role=True)
    association = ae.associate("127.0.0.1", port, ae_title=called, ext_neg=[role])
    assert association.is_established
    (context,) = association.accepted_contexts
    assert context.as_scp and not context.as_scu
    status, _ = association.send_n_event_report(
        ds, event_type, STORAGE_COMMITMENT_CLASS, STORAGE_COMMITMENT_INSTANCE
    )
    association.release()
    return status.Status


def _reference(uid: str) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.ReferencedSOPInstanceUID = uid
    return ds


@pytest.mark.parametrize("called", ["ADIT", AE_TITLE])
def test_the_report_reaches_the_worker_that_waits(receiver: ReceiverUnderTest, called: str):
    taken: list[CommitmentReport | None] = []
    with ReceivedReports(PACS).expect(TRANSACTION) as stream:
        waiting = threading.Thread(target=lambda: taken.append(stream.take(30)))
        waiting.start()
        assert report(receiver.port, called, 2) == 0
        waiting.join()
        assert stream.take(0) is None
    assert taken == [
        CommitmentReport(
            transaction_uid=TRANSACTION,
            committed=frozenset({"1.2.3.1", "1.2.3.2"}),
            failed={"1.2.3.3": 0x0112},
        )
    ]
    assert taken[0] and set(taken[0].classes.values()) == {"1.2.840.10008.5.1.4.1.1.2"}
    assert not ReceivedReport.objects.exists() and not ExpectedReport.objects.exists()


def test_a_report_that_comes_before_somebody_waits_is_kept(receiver: ReceiverUnderTest):
    assert report(receiver.port, AE_TITLE) == 0
    with ReceivedReports(PACS).expect(TRANSACTION) as stream:
        assert stream.take(5)


def test_reports_on_other_requests_are_left_alone(receiver: ReceiverUnderTest):
    assert report(receiver.port, AE_TITLE) == 0
    with ReceivedReports(PACS).expect("1.2.3.100") as stream:
        assert stream.take(0.2) is None
    assert ReceivedReport.objects.count() == 1


def test_only_who_was_asked_can_commit_itself(receiver: ReceiverUnderTest):
    DicomServerFactory(ae_title="OTHER", name="Other")
    RefusedSender.objects.all().delete()
    with ReceivedReports(PACS).expect(TRANSACTION) as stream:
        for title in ("STRANGER", "OTHER"):
            assert report(receiver.port, AE_TITLE, calling=title) == 0x0110
        assert stream.take(0.2) is None
        refusals = RefusedSender.objects.filter(reason="report", address="127.0.0.1")
        wait_until(
            lambda: (
                set(refusals.values_list("calling_ae_title", flat=True)) == {"STRANGER", "OTHER"}
            ),
            "the refusals are shown",
        )
        assert report(receiver.port, AE_TITLE, calling="SPARE") == 0
        assert stream.take(5)


def test_a_report_of_somebody_else_that_was_kept_before_counts_for_nobody(
    receiver: ReceiverUnderTest,
):
    assert report(receiver.port, AE_TITLE, calling="STRANGER") == 0
    with ReceivedReports(PACS).expect(TRANSACTION) as stream:
        assert stream.take(0.2) is None


def test_a_server_of_the_same_title_elsewhere_was_not_asked(receiver: ReceiverUnderTest):
    DicomServerFactory(ae_title="PACS", name="Here", host="127.0.0.1")
    asked = ServerConfig(name="There", ae_title="PACS", host="192.0.2.7")
    with ReceivedReports(asked).expect(TRANSACTION) as stream:
        assert report(receiver.port, AE_TITLE) == 0x0110
        assert stream.take(0.2) is None


def test_what_is_no_report_is_refused(receiver: ReceiverUnderTest):
    empty = Dataset()
    empty.PatientID = "nobody"
    assert report(receiver.port, AE_TITLE, ds=empty) == 0x0115
    assert report(receiver.port, AE_TITLE, 7) == 0x0113
    assert not ReceivedReport.objects.exists()


def test_under_the_callers_title_nothing_is_stored(receiver: ReceiverUnderTest):
    ae: Any = AE("PACS")
    ae.add_requested_context("1.2.840.10008.5.1.4.1.1.2")
    ae.add_requested_context("1.2.840.10008.1.1")
    association = ae.associate("127.0.0.1", receiver.port, ae_title="ADIT")
    accepted = [str(context.abstract_syntax) for context in association.accepted_contexts]
    association.release()
    assert accepted == ["1.2.840.10008.1.1"]
