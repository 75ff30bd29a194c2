"""The leak gate recognises identifiers of the patient, and little else, without the engine."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adit.core.deid import FindingKind
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.pseudonymizer import encoding_of
from adit.core.deid.tests.objects import ct_header, encode

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


def patient(**attributes: object) -> Dataset:
    details = {
        "AccessionNumber": "ACC-998877",
        "PatientBirthDate": "19700312",
        "PatientAddress": "Lindenallee 7^Heidelberg",
        "PatientTelephoneNumbers": "+49 6221 555 777",
        **attributes,
    }
    return ct_header(**details)


def outgoing(**attributes: object) -> Dataset:
    dataset = Dataset()
    dataset.PatientID = "SUBJ-7"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def kinds(before: Dataset, after: Dataset, syntax: str = ExplicitVRLittleEndian) -> set[str]:
    findings = LeakGate().check(encode(before, syntax), encode(after, syntax), encoding_of(syntax))
    return {finding.kind.value for finding in findings}


def test_a_clean_header_has_no_findings():
    assert kinds(patient(), outgoing(StudyDescription="CT Thorax nativ 2024")) == set()


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Frau Schmidt", FindingKind.PATIENT_NAME),
        ("schmidt_h", FindingKind.PATIENT_NAME),
        ("HANNELORE", FindingKind.PATIENT_NAME),
        ("XSchmidtX", FindingKind.PATIENT_NAME),
        ("id pid-4711.", FindingKind.PATIENT_ID),
        ("born 12.03.1970", FindingKind.BIRTH_DATE),
        ("born 1970-03-12", FindingKind.BIRTH_DATE),
        ("19700312", FindingKind.BIRTH_DATE),
        ("3/12/70", FindingKind.BIRTH_DATE),
        ("12 March 1970", FindingKind.BIRTH_DATE),
        ("12-MRZ-1970", FindingKind.BIRTH_DATE),
        ("Mar 12, 1970", FindingKind.BIRTH_DATE),
        ("acc-998877", FindingKind.ACCESSION_NUMBER),
        ("LINDENALLEE 7", FindingKind.ADDRESS),
        ("+49 6221 555 777", FindingKind.PHONE),
        ("496221555777", FindingKind.PHONE),
        ("+49 (6221) 555-777", FindingKind.PHONE),
    ],
)
def test_an_identifier_in_text_is_found(text: str, kind: FindingKind, syntax: str):
    assert kinds(patient(), outgoing(StudyComments=text), syntax) == {kind.value}


@pytest.mark.parametrize(
    ("declared", "name", "text"),
    [
        ("ISO_IR 100", "Müller^Jürgen", "MÜLLER"),
        ("ISO_IR 100", "Müller^Jürgen", "Herr Mueller"),
        ("ISO_IR 100", "Mueller^Hans", "Müller"),
        ("ISO_IR 144", "Люксембург^Анна", "ЛЮКСЕМБУРГ"),
        ("ISO_IR 192", "Özdemir^Ali", "ÖZDEMIR"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎", "山田"),
        ("GB18030", "Wang^XiaoDong=王^小东", "小东"),
    ],
)
def test_a_name_is_found_in_the_character_sets_of_the_object(
    declared: object, name: str, text: str
):
    before = patient(SpecificCharacterSet=declared, PatientName=name)
    after = outgoing(SpecificCharacterSet=declared, StudyComments=text)

    assert kinds(before, after) == {"patient_name"}


def test_identifiers_in_private_and_unknown_bytes_are_found():
    after = outgoing()
    block = after.private_block(0x0029, "MAKER", create=True)
    block.add_new(1, "UN", b"\x00\x01Schmidt^Hannelore\xff")
    block.add_new(2, "OB", b"\x00\x01\x02PID-4711\x00\x00")

    found = LeakGate().check(encode(patient()), encode(after), encoding_of(ExplicitVRLittleEndian))

    assert {(finding.tag, finding.kind) for finding in found} == {
        (0x00291001, FindingKind.PATIENT_NAME),
        (0x00291002, FindingKind.PATIENT_ID),
    }


def test_a_finding_tells_the_nested_tag_and_never_the_value():
    item = Dataset()
    item.TextValue = "Hannelore Schmidt"
    after = outgoing(ContentSequence=Sequence([item]))

    (finding,) = LeakGate().check(
        encode(patient()), encode(after), encoding_of(ExplicitVRLittleEndian)
    )

    assert str(finding) == "patient_name in (0040,A160) TextValue"
    assert "Schmidt" not in repr(finding)


def test_original_uids_are_found():
    after = outgoing(SOPInstanceUID="1.2.3.4.5.6.7.8.9.1", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")

    assert kinds(patient(), after) == {"original_uid"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Ann^Lee", "Scanner channel sleeve"),
        ("Head^Peter", "CT Head"),
        ("Long^Young", "long axis"),
        ("Li^Wu", "Liver without contrast"),
    ],
)
def test_common_words_and_parts_of_words_raise_no_alarm(name: str, text: str):
    assert kinds(patient(PatientName=name), outgoing(StudyDescription=text)) == set()


@pytest.mark.parametrize("text", ["Head, Peter", "peter"])
def test_a_common_word_beside_another_part_of_the_name_is_found(text: str):
    before = patient(PatientName="Head^Peter")

    assert kinds(before, outgoing(StudyDescription=text)) == {"patient_name"}


def test_a_common_word_counts_where_names_of_persons_stand():
    before = patient(PatientName="Head^Peter")

    assert kinds(before, outgoing(OperatorsName="Head")) == {"patient_name"}


def test_a_shifted_date_that_equals_the_birth_date_is_no_finding():
    after = outgoing(StudyDate="19700312")

    assert kinds(patient(), after) == set()
    assert kinds(patient(), outgoing(PatientBirthDate="19700312")) == {"birth_date"}


def test_short_ids_count_as_whole_values_only():
    before = patient(PatientID="123")

    assert kinds(before, outgoing(StudyDescription="Protocol 12345")) == set()
    assert kinds(before, outgoing(StudyDescription="case 123")) == {"patient_id"}


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyDate", "20190412"),
        ("AcquisitionDate", "20190412"),
        ("InstanceCreationDate", "20190412"),
        ("AcquisitionDateTime", "20190412101112"),
        ("FrameReferenceDateTime", "20190412101112.5+0100"),
    ],
)
def test_a_date_of_the_study_that_was_left_is_found(keyword: str, value: str, syntax: str):
    before = patient(**{"StudyDate": "20190412", "AcquisitionDate": "20190412", keyword: value})

    assert kinds(before, outgoing(**{keyword: value}), syntax) == {FindingKind.ORIGINAL_DATE.value}


def test_a_moved_date_that_is_the_day_of_the_study_by_chance_is_no_finding():
    """A later one than the study's, which the offset takes to the day of the study."""
    before = patient(StudyDate="20190412", InstanceCreationDate="20210101")

    assert kinds(before, outgoing(InstanceCreationDate="20190412")) == set()


def test_dates_may_stay_where_the_profile_keeps_them():
    before = after = patient(StudyDate="20190412", AcquisitionDateTime="20190412101112")
    encoding = encoding_of(ExplicitVRLittleEndian)

    found = LeakGate(check_dates=False).check(encode(before), encode(after), encoding)

    assert FindingKind.ORIGINAL_DATE not in {item.kind for item in found}


@pytest.mark.parametrize(("age", "held"), [("098Y", True), ("090Y", False), ("099M", False)])
def test_an_age_beyond_ninety_is_found_where_ages_stand(age: str, held: bool):
    found = kinds(patient(PatientAge=age), outgoing(PatientAge=age))

    assert found == ({FindingKind.OLD_AGE.value} if held else set())
