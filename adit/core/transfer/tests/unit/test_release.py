"""A release is for the content that was held, and for no other."""

import io

import pytest
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from adit.core.deid import Assignment, OwnRule, Profile, Pseudonymizer, RuleAction
from adit.core.dicom import DicomInstance
from adit.core.jobs.actions.held import release_held
from adit.core.models.records import InstanceState, decode_records, encode_records
from adit.core.transfer.items import Outgoing
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.plan import Plan, PlannedSeries
from adit.core.transfer.transform import pseudonymize

UID, SERIES = "1.2.3.1", "1.2.3"
COMMENTS = OwnRule(tag="ImageComments", action=RuleAction.KEEP, reason="evaluated")
FINDING = "patient_name in (0020,4000) ImageComments"


class Held:
    """An instance on its way, again and again, with a comment that the profile keeps."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.ledger = Ledger()
        self.ledger.expect(
            Plan("P", [PlannedSeries(series_instance_uid=SERIES, instance_uids=[UID])])
        )
        self.record = self.ledger.series[0].records[UID]

    def arrive(self, comment: str, operator: str = "") -> bool:
        """Whether it goes out."""
        ds = Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = CTImageStorage, UID, "CT"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2", SERIES
        ds.PatientName, ds.PatientID = "Zabolotny^Cornelius", "HX4471910"
        ds.ImageComments, ds.OperatorsName = comment, operator
        buffer = io.BytesIO()
        ds.save_as(buffer, implicit_vr=False, little_endian=True)
        data = buffer.getvalue()
        instance = DicomInstance(CTImageStorage, UID, ExplicitVRLittleEndian, data)
        arrival = Outgoing(UID, SERIES, "1.2", SERIES, instance, instance.sha256())
        assert self.ledger.received(SERIES, UID, arrival.sha256, instance.size)
        profile = Profile(name="x", secret=bytes(32), own_rules=(COMMENTS,))
        engine = Pseudonymizer(profile, Assignment(pseudonym="S1"))
        gone = bool(list(pseudonymize([arrival], engine, self.ledger, self.folder)))
        (self.record,) = decode_records(encode_records([self.record]))
        self.ledger.series[0].records[UID] = self.record
        return gone

    def release(self) -> None:
        assert self.record.state is InstanceState.HELD
        release_held.effect(self.record)


@pytest.fixture
def held(tmp_path):
    held = Held(tmp_path)
    assert not held.arrive("Seen with Zabolotny")
    return held


def test_what_was_held_and_released_goes_out_in_each_attempt(held):
    held.release()
    assert held.arrive("Seen with Zabolotny")
    held.ledger.failed(UID, "refused", retry=True)
    assert held.arrive("Seen with Zabolotny")


def test_other_content_with_the_same_finding_waits_anew_and_says_so(held):
    held.release()
    assert not held.arrive("Zabolotny, phone 123, and whatever")
    assert held.record.state is InstanceState.HELD
    assert held.record.reason.startswith("Not what staff released")
    assert (held.record.findings, held.record.accepted) == ((FINDING,), ())
    held.release()
    assert held.arrive("Zabolotny, phone 123, and whatever")


def test_what_the_source_changes_and_nobody_receives_changes_nothing(held):
    held.release()
    assert held.arrive("Seen with Zabolotny", operator="Somebody^Else")


def test_a_release_of_unknown_content_releases_nothing(held):
    held.record.sha256_held = ""
    held.release()
    assert not held.arrive("Seen with Zabolotny")


def test_what_changed_so_that_nothing_is_found_goes_out(held):
    held.release()
    assert held.arrive("Nothing of note")
