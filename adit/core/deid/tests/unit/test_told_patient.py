"""What the source tells of the patient is taken out and caught, whatever the headers say."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adit.core.deid import Assignment, FindingKind, Option, OwnRule, RuleAction, SourcePatient
from adit.core.deid.tests.objects import ct_header, decode, encode, process, profile

TOLD = SourcePatient(
    patient_ids=("PID-90817", "OLD-55443"),
    name="Łukasiewicz^Zbigniew=山田^太郎",
    birth_date="19631124",
    accession_number="RAD-XQ-8841",
)
SAID = [
    ("Thorax Łukasiewicz", FindingKind.PATIENT_NAME),
    ("Thorax lukasiewicz", FindingKind.PATIENT_NAME),
    ("Thorax ZBIGNIEW", FindingKind.PATIENT_NAME),
    ("Thorax 山田太郎", FindingKind.PATIENT_NAME),
    ("Thorax PID-90817", FindingKind.PATIENT_ID),
    ("Thorax old 55443", FindingKind.PATIENT_ID),
    ("Thorax 24.11.1963", FindingKind.BIRTH_DATE),
    ("Thorax RAD XQ 8841", FindingKind.ACCESSION_NUMBER),
]
OTHERS = [{"PatientName": "", "PatientID": "", "PatientBirthDate": ""}, {}]
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


def header(text: str, **who: str) -> Dataset:
    settings = {"SpecificCharacterSet": "ISO_IR 192", "StudyDescription": text, **who}
    return ct_header(**settings)


def assignment(patient: SourcePatient = TOLD) -> Assignment:
    return Assignment(pseudonym="SUBJ-7", patient=patient)


@pytest.mark.parametrize("who", OTHERS, ids=["no patient", "another patient"])
@pytest.mark.parametrize(("text", "kind"), SAID)
def test_it_is_cleaned_out_of_text(text: str, kind: FindingKind, who: dict[str, str]):
    data = encode(header(text, **who))
    cleaned, result = process(
        data, under=profile(Option.CLEAN_DESCRIPTORS), assignment=assignment()
    )
    assert result.findings == []
    assert decode(cleaned).StudyDescription == "Thorax"


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("who", OTHERS, ids=["no patient", "another patient"])
@pytest.mark.parametrize(("text", "kind"), SAID)
def test_the_gate_catches_what_is_kept(
    text: str, kind: FindingKind, who: dict[str, str], syntax: str
):
    keep = OwnRule(tag="StudyDescription", action=RuleAction.KEEP, reason="The test keeps it.")
    data = encode(header(text, **who), syntax)
    under = profile(own_rules=(keep,))
    _, result = process(data, syntax, under=under, assignment=assignment())
    assert {finding.kind for finding in result.findings} == {kind}
    _, result = process(data, syntax, under=under, assignment=assignment(SourcePatient()))
    assert result.findings == []


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_the_header_tells_itself_changes_nothing(syntax: str):
    ds = header("Thorax", PatientName=TOLD.name, PatientID="PID-90817")
    ds.PatientBirthDate = TOLD.birth_date
    data = encode(ds, syntax)
    under = profile(Option.CLEAN_DESCRIPTORS, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES)
    alone, _ = process(data, syntax, under=under, assignment=assignment(SourcePatient()))
    told, result = process(data, syntax, under=under, assignment=assignment())
    assert told == alone
    assert result.findings == []


def test_it_is_in_no_text_about_the_assignment():
    text = repr(assignment())
    for value in ("90817", "kasiewicz", "1963"):
        assert value not in text


@pytest.mark.parametrize("own", ["PID-90817", "OLD-55443", "", "PID-90817^^^HOSP"])
def test_dates_shift_together_whatever_id_the_headers_kept(own: str):
    """Sources file a patient under a new ID and leave the old one in the headers."""
    under = profile(Option.RETAIN_LONGITUDINAL_MODIFIED_DATES)
    shifted = []
    for patient_id in ("PID-90817", own):
        data = encode(header("Thorax", PatientID=patient_id, StudyDate="20190203"))
        cleaned, _ = process(data, under=under, assignment=assignment())
        shifted.append(decode(cleaned).StudyDate)
    assert shifted[0] == shifted[1] != "20190203"


def test_blanks_around_a_patient_id_of_the_source_change_nothing():
    data = encode(header("Thorax", PatientID="PID-90817"))
    under = profile(Option.RETAIN_LONGITUDINAL_MODIFIED_DATES)
    padded = SourcePatient(patient_ids=(" PID-90817 ",))
    plain = SourcePatient(patient_ids=("PID-90817",))
    told = [process(data, under=under, assignment=assignment(one))[0] for one in (padded, plain)]
    assert told[0] == told[1]
