"""Clean Structured Content leaves nothing of a person in the content of an SR (PS3.15 E.3.4)."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from adit.core.deid import Option
from adit.core.deid.tests.objects import ct_header, encode, process, process_dataset, profile

CLEANED = Option.CLEAN_STRUCTURED_CONTENT


def code(value: str, scheme: str = "DCM") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "Meaning"
    return item


def content(kind: str, concept: str = "121106", **values: object) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = Sequence([code(concept)])
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def number(value: str, concept: str) -> Dataset:
    measured = Dataset()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = Sequence([code("a", "UCUM")])
    return content("NUM", concept, MeasuredValueSequence=Sequence([measured]))


def cleaned(
    *items: Dataset, options: tuple[Option, ...] = (), **attributes: object
) -> list[Dataset]:
    report = ct_header(Modality="SR", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", **attributes)
    report.ContentSequence = Sequence(items)
    after, _ = process_dataset(report, under=profile(CLEANED, *options))
    assert len(after.ContentSequence) == len(items)
    return list(after.ContentSequence)


def test_nothing_that_somebody_wrote_stays():
    written = (
        "Frau Schmidt, seen by Dr. Zwingenberg in Waldweg 3 on 12.03.1999, "
        "phone 06221 567890, study 1.2.3.4.5.6"
    )
    report = ct_header(
        Modality="SR", ContentSequence=Sequence([content("TEXT", TextValue=written)])
    )

    data, result = process(encode(report), under=profile(CLEANED))

    for part in (b"Schmidt", b"Zwingenberg", b"Waldweg", b"1999", b"567890", b"1.2.3.4.5.6\0"):
        assert part not in data
    assert result.findings == []


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("Lesion 1, left upper lobe", "Lesion 1, left upper lobe"),
        ("Schmidt, left lobe", "left lobe"),
        ("Lesion seen by Dr. Zwingenberg", "Lesion seen by"),
        ("Nodule of 12.03.1999", "Nodule of"),
    ],
)
def test_short_text_is_cleaned_as_descriptors_are(written: str, left: str):
    [item] = cleaned(content("TEXT", TextValue=written))

    assert item.TextValue == left


@pytest.mark.parametrize(
    ("concept", "written"),
    [
        ("121106", "Schmidt"),  # nothing would be left
        ("121106", "word " * 20),
        ("121106", "Two\r\nlines"),
        ("121009", "Haus am Berg"),
        ("128774", "zwing01"),
        ("121013", "ROOM THREE"),
    ],
)
def test_other_text_becomes_a_word_that_says_nothing(concept: str, written: str):
    [item] = cleaned(content("TEXT", concept, TextValue=written))

    assert item.TextValue and not set(item.TextValue.split()) & set(written.split())


def test_a_key_object_selection_keeps_what_it_selects():
    reference = Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    reference.ReferencedSOPInstanceUID = "1.2.3.4.5.6.77"
    image = content("IMAGE", ReferencedSOPSequence=Sequence([reference]))
    note = content("TEXT", "113012", TextValue="For surgery, Frau Schmidt")
    selection = ct_header(Modality="KO", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.59")
    selection.ContentSequence = Sequence([note, image])

    after, result = process_dataset(selection, under=profile(CLEANED))

    text, shown = after.ContentSequence
    assert text.TextValue == "For surgery"
    assert shown.ReferencedSOPSequence[0].ReferencedSOPInstanceUID.startswith("2.25.")
    assert result.findings == []


def test_equal_texts_stay_equal_and_others_apart():
    first, second, again = cleaned(
        content("TEXT", TextValue="Lesion 1"),
        content("TEXT", TextValue="Lesion 2"),
        content("TEXT", TextValue="Lesion 1"),
    )

    assert first.TextValue == again.TextValue != second.TextValue


def test_names_dates_and_uids_are_replaced():
    name, day, uid = cleaned(
        content("PNAME", "121008", PersonName="Zwingenberg^Adele"),
        content("DATE", Date="19990312"),
        content("UIDREF", UID="1.2.3.4.5"),
    )

    assert "Zwingenberg" not in str(name.PersonName) and str(name.PersonName)
    assert day.Date != "19990312"
    assert uid.UID.startswith("2.25.")


@pytest.mark.parametrize("concept", ["121033", "8302-2", "29463-7"])
def test_numbers_about_the_person_lose_their_value_unless_characteristics_are_retained(concept):
    [gone, other] = cleaned(number("45", concept), number("45", "G-A22A"))
    [stays] = cleaned(number("45", concept), options=(Option.RETAIN_PATIENT_CHARACTERISTICS,))

    assert list(gone.MeasuredValueSequence) == []
    assert other.MeasuredValueSequence[0].NumericValue == 45
    assert stays.MeasuredValueSequence[0].NumericValue == 45


def test_the_sex_of_the_subject_becomes_a_code_that_says_nothing():
    item = content("CODE", "121032", ConceptCodeSequence=Sequence([code("F")]))

    [gone] = cleaned(item)

    assert gone.ConceptCodeSequence[0].CodeValue == "REMOVED"
    assert gone.ConceptNameCodeSequence[0].CodeValue == "121032"


def test_ages_over_89_are_not_told_in_content():
    [age, birth] = cleaned(
        number("93", "121033"),
        content("DATE", "121031", Date="19300101"),
        options=(Option.RETAIN_PATIENT_CHARACTERISTICS, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES),
        PatientAge="093Y",
        StudyDate="20230601",
    )

    assert list(age.MeasuredValueSequence) == []
    assert birth.Date == "19000101"
