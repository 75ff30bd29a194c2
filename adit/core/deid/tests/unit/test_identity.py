"""The subject's pseudonym stands where the patient stood, and nothing of the patient is left."""

from __future__ import annotations

import io

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from adit.core.deid import Assignment, ExcludedModality, Option, preview, standard_research_profile
from adit.core.deid.tests.objects import (
    SECRET,
    ct_header,
    decode,
    encode,
    process,
    process_dataset,
    profile,
)

CLEANED = Option.CLEAN_DESCRIPTORS
NAMES = [
    pytest.param("ISO_IR 100", "Müller-Lüdenscheidt^Jürgen", "Mueller-Luedenscheidt", id="umlaut"),
    pytest.param("ISO_IR 144", "Люкceмбypг^Анна", "ЛЮКCEМБYPГ", id="cyrillic"),
    pytest.param("ISO_IR 192", "Özdemir^Şükrü", "ozdemir", id="turkish"),
    pytest.param("ISO 2022 IR 87", "Yamada^Tarou=山田^太郎", "山田", id="japanese"),
    pytest.param("ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동", "길동", id="korean"),
    pytest.param("GB18030", "Wang^XiaoDong=王^小东", "小东", id="chinese"),
]


@pytest.mark.parametrize(("declared", "name", "mention"), NAMES)
def test_names_are_cleaned_out_of_text_in_every_character_set(
    declared: str, name: str, mention: str
):
    if declared.startswith("ISO 2022"):
        declared = ["", declared]  # type: ignore[assignment]
    dataset = ct_header(
        SpecificCharacterSet=declared,
        PatientName=name,
        StudyDescription=f"Thorax {mention} nativ",
        Manufacturer=f"Maker {mention}",
    )

    after, result = process_dataset(dataset, under=profile(CLEANED))

    assert str(after.PatientName) == "SUBJ-7"
    assert after.StudyDescription == "Thorax nativ"
    assert after.Manufacturer == "Maker"
    assert result.findings == []


def test_identifiers_of_all_kinds_are_cleaned_out_of_descriptors():
    dataset = ct_header(
        AccessionNumber="ACC-998877",
        PatientBirthDate="19700312",
        OtherPatientIDs="ALT-5566",
        ReferringPhysicianName="Weber^Otto",
        StudyDescription="CT Abdomen PID-4711 ACC-998877",
        SeriesDescription="Nieren 12.03.1970 ALT-5566 Dr. Weber",
        ProtocolName="t2_tse_sag_320 5mm",
    )

    after, result = process_dataset(dataset, under=profile(CLEANED))

    assert after.StudyDescription == "CT Abdomen"
    assert after.SeriesDescription == "Nieren"
    assert after.ProtocolName == "t2_tse_sag_320 5mm"
    assert result.findings == []


def test_no_identifier_is_left_at_any_level():
    item = Dataset()
    item.PatientID = "PID-4711"
    item.PatientName = "Schmidt^Hannelore"
    item.ReferencedSOPInstanceUID = "1.2.3.4.5.6.7.8.9.9"
    inner = Dataset()
    inner.PatientID = "PID-4711"
    inner.TextValue = "Frau Schmidt"
    item.ReferencedSeriesSequence = Sequence([inner])
    dataset = ct_header(ReferencedImageSequence=Sequence([item]))
    block = dataset.private_block(0x0029, "MAKER", create=True)
    block.add_new(1, "UN", b"Schmidt^Hannelore")

    data, result = process(encode(dataset), under=standard_research_profile(SECRET))

    for identifier in (b"4711", b"Schmidt", b"Hannelore", b"1.2.3.4.5.6.7.8.9"):
        assert identifier not in data
    assert result.findings == []
    nested = decode(data).ReferencedImageSequence[0]
    assert nested.PatientID == nested.ReferencedSeriesSequence[0].PatientID == "SUBJ-7"


def test_references_between_objects_still_hold():
    target = ct_header(SOPInstanceUID="1.2.3.4.5.77")
    item = Dataset()
    item.ReferencedSOPClassUID = target.SOPClassUID
    item.ReferencedSOPInstanceUID = "1.2.3.4.5.77"
    source = ct_header(ReferencedImageSequence=Sequence([item]))

    referring, _ = process_dataset(source)
    referred, _ = process_dataset(target)

    reference = referring.ReferencedImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == referred.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == target.SOPClassUID


def test_the_trial_and_the_routing_comment_are_written():
    assignment = Assignment(pseudonym="S1", trial_protocol_id="TR", trial_protocol_name="A trial")
    dataset = ct_header(StudyDate="20240131", StudyTime="0915", PatientComments="Schmidt")

    after, _ = process_dataset(
        dataset, under=standard_research_profile(SECRET), assignment=assignment
    )

    assert after.ClinicalTrialProtocolID == "TR"
    assert after.ClinicalTrialProtocolName == "A trial"
    assert after.PatientComments == f"Project:TR Subject:S1 Session:S1_{after.StudyDate}-091500"


def test_the_method_is_documented_with_the_codes_of_the_options():
    after, _ = process_dataset(ct_header(), under=standard_research_profile(SECRET, version=3))

    assert after.PatientIdentityRemoved == "YES"
    assert after.DeidentificationMethod == "ADIT: Standard research v3"
    codes = [item.CodeValue for item in after.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113105", "113107", "113108"]


@pytest.mark.parametrize(
    ("declared", "name", "written"),
    [
        ("ISO_IR 192", "研究 Größe", "研究 Größe"),
        ("ISO_IR 100", "Größe", "Größe"),
        ("ISO_IR 144", "Исследование", "Исследование"),
        ("ISO_IR 100", "Исследование", "Issledovanie"),
        (None, "Größe", "Grosse"),
        ("ISO_IR 100", "研究", "YanJiu"),
        ("ISO_IR 100", "Ost\\West", "Ost/West"),
        (None, "", ""),
    ],
)
def test_the_method_is_written_in_the_characters_of_the_object(
    declared: str | None, name: str, written: str
):
    dataset = ct_header()
    if declared:
        dataset.SpecificCharacterSet = declared

    data, _ = process(encode(dataset), under=profile(name=name, version=2))

    after = decode(data)
    assert after.DeidentificationMethod == f"ADIT: {written} v2"
    assert after.get("SpecificCharacterSet") == declared


def test_a_preview_shows_what_is_written_in_the_characters_of_the_object():
    dataset = ct_header(SpecificCharacterSet="ISO_IR 100")

    shown = preview(
        profile(name="Größe"),
        Assignment(pseudonym="Süd-7"),
        io.BytesIO(encode(dataset)),
        ExplicitVRLittleEndian,
    )

    after = {row.keyword: row.after for row in shown.rows}
    assert after["DeidentificationMethod"] == "ADIT: Größe v1"
    assert after["PatientID"] == "Süd-7"


@pytest.mark.parametrize("declared", [None, "ISO_IR 100", "ISO_IR 144"])
def test_a_pseudonym_that_the_character_set_lacks_makes_the_object_utf_8(declared: str | None):
    dataset = ct_header(Manufacturer="Maker")
    if declared:
        dataset.SpecificCharacterSet = declared
        dataset.Manufacturer = "Größe" if declared == "ISO_IR 100" else "Анна"

    after, _ = process_dataset(dataset, assignment=Assignment(pseudonym="研究-1"))

    assert after.SpecificCharacterSet == "ISO_IR 192"
    assert str(after.PatientName) == after.PatientID == "研究-1"
    assert after.Manufacturer == dataset.Manufacturer


def test_ids_are_replaced_by_keyed_ids():
    one, _ = process_dataset(ct_header(AccessionNumber="A-1", StudyID="7"))
    same, _ = process_dataset(ct_header(AccessionNumber="A-1"))
    other, _ = process_dataset(ct_header(AccessionNumber="A-2"))

    assert one.AccessionNumber == same.AccessionNumber != other.AccessionNumber
    assert len(one.AccessionNumber) <= 16
    assert one.StudyID not in ("", "7")


def test_an_excluded_modality_is_refused():
    with pytest.raises(ExcludedModality, match="SR"):
        process_dataset(ct_header(Modality="SR"), under=standard_research_profile(SECRET))


@pytest.mark.parametrize("pseudonym", ["", "  ", "a\\b", "a\nb", "x" * 65])
def test_a_pseudonym_that_is_no_lo_value_is_refused(pseudonym: str):
    with pytest.raises(ValueError):
        Assignment(pseudonym=pseudonym)


def test_curves_and_overlays_are_removed():
    dataset = ct_header()
    dataset.add_new(0x50000030, "SH", "mm")
    dataset.add_new(0x60020010, "US", 8)
    dataset.add_new(0x60023000, "OW", b"12345678")

    after, _ = process_dataset(dataset)

    assert not [element for element in after if element.tag.group >> 8 in (0x50, 0x60)]


def test_sop_classes_stay_whoever_defined_them_and_instances_never():
    reference = Dataset()
    reference.ReferencedSOPClassUID = "1.3.6.1.4.1.5962.9.1"
    reference.ReferencedSOPInstanceUID = "1.2.840.10008.4711.1"
    dataset = ct_header(
        SOPClassUID="1.3.6.1.4.1.5962.9.1",
        SOPInstanceUID="1.2.840.10008.4711.2",
        ReferencedImageSequence=Sequence([reference]),
    )

    after, _ = process_dataset(dataset)

    assert after.SOPClassUID == "1.3.6.1.4.1.5962.9.1"
    assert after.SOPInstanceUID.startswith("2.25.")
    inner = after.ReferencedImageSequence[0]
    assert inner.ReferencedSOPClassUID == "1.3.6.1.4.1.5962.9.1"
    assert inner.ReferencedSOPInstanceUID.startswith("2.25.")


def test_escape_sequences_go_where_text_becomes_utf_8():
    dataset = ct_header(SpecificCharacterSet=["", "ISO 2022 IR 87"], SeriesDescription="XXXchest")
    data = encode(dataset).replace(b"XXXchest", b"\x1b(Bchest")
    under = profile(Option.CLEAN_DESCRIPTORS)

    after, _ = process(data, under=under, assignment=Assignment(pseudonym="Ś患"))

    assert decode(after).SpecificCharacterSet == "ISO_IR 192"
    assert b"\x1b" not in after and b"chest" in after
