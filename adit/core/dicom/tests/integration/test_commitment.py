"""Storage commitment: with the double on either way of reporting, and with Orthanc."""

import dataclasses
import threading
import time

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
    ServerConfig,
)
from adit.core.dicom.tests.reports import TestReports
from adit.core.dicom.tests.samples import MR, make_series
from adit.stack.orthanc_rest import Modality
from adit.test_pacs import PacsDouble
from adit.test_pacs import commitment as pacs_commitment

pytestmark = [pytest.mark.integration, pytest.mark.interop]

LOCAL = LocalConfig(calling_ae_title="COMMITTER")


@pytest.fixture
def reports():
    inbox = TestReports("COMMITTER")
    yield inbox
    inbox.close()


@pytest.fixture
def pacs(reports):
    with PacsDouble("DOUBLE", peers={"COMMITTER": ("127.0.0.1", reports.port)}) as double:
        yield double


def config_of(pacs):
    return ServerConfig(
        name="DOUBLE",
        ae_title="DOUBLE",
        host="127.0.0.1",
        port=pacs.port,
        store_scp_support=True,
        storage_commitment_support=True,
    )


def references(instances):
    return [(i.sop_class_uid, i.sop_instance_uid) for i in instances]


def store_and_commit(config, reports, stored, asked=None, patience=20.0):
    with DicomOperator(config, LOCAL, reports=reports) as operator:
        assert all(outcome.accepted for outcome in operator.store(stored))
        return operator.commit(references(asked or stored), patience=patience)


def test_a_server_reports_on_the_association_of_the_request(pacs):
    instances = make_series(3)
    result = store_and_commit(config_of(pacs), None, instances)
    assert result.complete
    assert result.committed == {i.sop_instance_uid for i in instances}


def test_a_server_reports_to_our_receiver(pacs, reports):
    pacs.faults.commitment_on_new_association = True
    instances = make_series(3)
    result = store_and_commit(config_of(pacs), reports, instances)
    assert result.complete, result.error


def test_what_the_server_does_not_have_is_named_with_the_reason(pacs):
    instances = make_series(3)
    result = store_and_commit(config_of(pacs), None, instances[:2], instances)
    assert result.committed == {i.sop_instance_uid for i in instances[:2]}
    assert result.failed == {instances[2].sop_instance_uid: "the server does not have the instance"}
    assert not result.complete


def test_an_object_of_another_class_is_another_object(pacs, monkeypatch):
    instances = make_series(2)
    whole = pacs_commitment.Commitment._report

    def report(self, information):
        information.ReferencedSOPSequence[0].ReferencedSOPClassUID = MR
        return whole(self, information)

    monkeypatch.setattr(pacs_commitment.Commitment, "_report", report)
    result = store_and_commit(config_of(pacs), None, instances)
    assert result.committed == {instances[1].sop_instance_uid}
    assert result.failed == {
        instances[0].sop_instance_uid: "the instance is of another SOP class there"
    }


def test_an_event_that_is_no_report_is_none(pacs, monkeypatch):
    monkeypatch.setattr(pacs_commitment, "_event_type", lambda report: 99)
    result = store_and_commit(config_of(pacs), None, make_series(1), patience=0.5)
    assert not result.committed and len(result.unanswered) == 1


def test_more_instances_than_one_request_holds(pacs):
    instances = make_series(3)
    many = [
        *references(instances),
        *(("1.2.840.10008.5.1.4.1.1.2", f"1.9.{n}") for n in range(900)),
    ]
    with DicomOperator(config_of(pacs), LOCAL) as operator:
        assert all(outcome.accepted for outcome in operator.store(instances))
        result = operator.commit(many)
    assert pacs.seen.operations()["N-ACTION"] == 2
    assert (len(result.committed), len(result.failed)) == (3, 900)


def test_a_server_that_never_reports_has_committed_to_nothing(pacs, reports):
    pacs.faults.forget_commitment = True
    result = store_and_commit(config_of(pacs), reports, make_series(2), patience=0.5)
    assert (len(result.committed), len(result.unanswered)) == (0, 2)
    assert "did not report on 2 of 2 instances" in str(result.error)


def test_waiting_for_a_report_ends_at_once_when_it_is_canceled(pacs):
    pacs.faults.forget_commitment = True
    cancel = CancelToken()
    threading.Timer(0.5, cancel.cancel).start()
    with DicomOperator(config_of(pacs), LOCAL, cancel=cancel) as operator:
        started = time.monotonic()
        with pytest.raises(Canceled):
            operator.commit(references(make_series(1)), patience=60)
    assert time.monotonic() - started < 10


def test_a_server_without_storage_commitment_is_not_asked(pacs):
    config = dataclasses.replace(config_of(pacs), storage_commitment_support=False)
    with DicomOperator(config) as operator, pytest.raises(PermanentDicomError, match="not set up"):
        operator.commit(references(make_series(1)))
    assert pacs.seen.operations()["N-ACTION"] == 0


def test_orthanc_commits_itself_to_what_it_has(orthanc, server, reports):
    orthanc.add_modality("committer", Modality("COMMITTER", reports.port))
    instances = make_series(3)
    config = dataclasses.replace(server, storage_commitment_support=True)
    result = store_and_commit(config, reports, instances[:2], instances, patience=60)
    assert result.committed == {i.sop_instance_uid for i in instances[:2]}, result.error
    assert set(result.failed) == {instances[2].sop_instance_uid}
