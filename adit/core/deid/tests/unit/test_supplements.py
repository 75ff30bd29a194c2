"""What identifies beyond the table has a rule and a reason."""

from __future__ import annotations

import pytest
from pydicom.datadict import dictionary_VR, keyword_dict
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from adit.core.deid import Option
from adit.core.deid.actions import Action
from adit.core.deid.attribute_table import attribute_table
from adit.core.deid.rules import decide
from adit.core.deid.supplements import SUPPLEMENTS
from adit.core.deid.table import basic_action
from adit.core.deid.tests.objects import ct_header, process_dataset, profile

MODIFIED = Option.RETAIN_LONGITUDINAL_MODIFIED_DATES


def test_no_row_of_the_table_is_supplemented():
    assert [hex(tag) for tag in SUPPLEMENTS if basic_action(tag) is not None] == []


@pytest.mark.parametrize(
    "options", [(), tuple({*Option} - {Option.RETAIN_LONGITUDINAL_FULL_DATES})]
)
def test_no_name_of_a_person_stays(options: tuple[Option, ...]):
    under = profile(*options)
    names = [tag for tag in keyword_dict.values() if dictionary_VR(tag) == "PN"]

    assert len(names) > 30
    assert [hex(tag) for tag in names if decide(under, tag, "")[0].action is Action.KEEP] == []


def test_every_supplement_is_changed_under_the_basic_profile():
    kept = [tag for tag in SUPPLEMENTS if decide(profile(), tag, "")[0].action is Action.KEEP]

    assert kept == []


def test_the_birth_date_in_another_calendar_goes():
    dataset = ct_header(
        PatientBirthDateInAlternativeCalendar="昭和45年5月3日",
        PatientDeathDateInAlternativeCalendar="令和2年5月3日",
        PatientAlternativeCalendar="JAPANESE",
        SpecificCharacterSet="ISO_IR 192",
    )

    after, _ = process_dataset(dataset)

    assert not [element for element in after if 0x00100033 <= element.tag <= 0x00100035]


def test_names_of_files_go_at_every_level():
    record = Dataset()
    record.ReferencedFileID = ["SCHMIDT", "HANNELOR"]
    record.ReferencedSOPInstanceUIDInFile = "1.2.3.4.5"
    dataset = ct_header(
        ReferencedFileID=["SCHMIDT", "IM1"],
        FileSetID="SCHMIDT",
        DirectoryRecordSequence=Sequence([record]),
        ReferencedImageSequence=Sequence([record]),
    )

    after, _ = process_dataset(dataset)

    assert [element for element in after if element.tag.group == 4] == []
    assert [element.keyword for element in after.ReferencedImageSequence[0]] == [
        "ReferencedSOPInstanceUIDInFile"
    ]


def test_supplements_stay_under_the_option_of_what_they_resemble():
    dataset = ct_header(PatientBodyMassIndex="25.5", RadiationMachineName="LINAC 3")
    options = (Option.RETAIN_PATIENT_CHARACTERISTICS, Option.RETAIN_DEVICE_IDENTITY)

    alone, _ = process_dataset(dataset)
    after, _ = process_dataset(dataset, under=profile(*options))

    assert "PatientBodyMassIndex" not in alone and alone.RadiationMachineName == ""
    assert after.PatientBodyMassIndex == 25.5 and after.RadiationMachineName == "LINAC 3"


def test_the_table_of_attributes_shows_the_supplements_with_their_reasons():
    rows = {row.keyword: row for row in attribute_table(profile())}

    row = rows["PatientBirthDateInAlternativeCalendar"]
    assert row.basic == "" and "another calendar" in row.rule
    assert all(dictionary_VR(tag) for tag in SUPPLEMENTS)


def test_encrypted_originals_go_at_every_level():
    originals = Dataset()
    originals.EncryptedContentTransferSyntaxUID = "1.2.840.10008.1.2"
    originals.EncryptedContent = b"\x30\x82sealed"
    item = Dataset()
    item.EncryptedAttributesSequence = Sequence([originals])
    dataset = ct_header(
        EncryptedAttributesSequence=Sequence([originals]), ReferencedImageSequence=Sequence([item])
    )

    after, _ = process_dataset(dataset, under=profile(*{*Option} - {MODIFIED}))

    assert "EncryptedAttributesSequence" not in after
    assert "EncryptedAttributesSequence" not in after.ReferencedImageSequence[0]
