"""Text that Table E.1-1 does not list loses dates, institutions, staff and addresses."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from adit.core.deid import Option
from adit.core.deid.tests.objects import ct_header, process_dataset, profile

RESEARCH = (
    Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,
    Option.RETAIN_PATIENT_CHARACTERISTICS,
    Option.CLEAN_DESCRIPTORS,
)
TEXT = "Liver 2024-03-05 by Dr. Huber, Klinikum Musterstadt"


def item(**values: object) -> Dataset:
    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def code(scheme: str, meaning: str, value: str = "39607008") -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


@pytest.mark.parametrize("options", [(), RESEARCH])
@pytest.mark.parametrize(
    "keyword", ["ContentDescription", "LUTExplanation", "DocumentTitle", "SegmentDescription"]
)
def test_text_is_cleaned_as_descriptors_are(keyword: str, options: tuple[Option, ...]):
    dataset = ct_header(InstitutionName="Klinikum Musterstadt", **{keyword: TEXT})
    dataset.SegmentSequence = Sequence([item(SegmentNumber=1, SegmentLabel=TEXT)])

    after, _ = process_dataset(dataset, under=profile(*options))

    label = after.SegmentSequence[0].SegmentLabel
    for left in (label, str(after[keyword].value)):
        assert "Liver" in left
        assert not any(word in left for word in ("2024", "Huber", "Musterstadt"))


def test_a_label_is_cleaned_and_never_empty():
    dataset = ct_header(ContentLabel="T1_20240305")
    dataset.SegmentSequence = Sequence([item(SegmentNumber=1, SegmentLabel="05.03.2024")])

    after, _ = process_dataset(dataset, under=profile(*RESEARCH))

    assert after.ContentLabel == "T1"
    assert after.SegmentSequence[0].SegmentLabel and "2024" not in str(after.SegmentSequence)


def test_addresses_of_systems_and_numbers_of_the_study_go():
    dataset = ct_header(OtherStudyNumbers=48151623, RetrieveURL="https://pacs.example.org/wado")
    dataset.RetrieveURI = "https://ris.example.org/"

    after, _ = process_dataset(dataset, under=profile(*RESEARCH))

    assert not [tag for tag in (0x00201070, 0x00081190, 0x0040E010) if tag in after]


def test_only_codes_of_the_institution_are_cleaned_as_descriptors():
    meaning = "Protocol 05.03.2024 Dr. Huber"
    dataset = ct_header()
    free = code("99KM", meaning, "X1")
    free.EquivalentCodeSequence = Sequence([code("SCT", "24 Hr collection of 12.03.2004")])
    dataset.AnatomicRegionSequence = Sequence([code("SCT", "24 Hr lung 12.03.2004"), free])

    after, _ = process_dataset(dataset, under=profile(*RESEARCH))

    lung, own = after.AnatomicRegionSequence
    assert (lung.CodeValue, lung.CodeMeaning) == ("39607008", "24 Hr lung 12.03.2004")
    assert own.CodeMeaning == "Protocol"
    assert own.EquivalentCodeSequence[0].CodeMeaning == "24 Hr collection of 12.03.2004"


def test_with_full_dates_the_dates_in_text_stay():
    dataset = ct_header(ContentDescription="Liver 2024-03-05")

    after, _ = process_dataset(dataset, under=profile(Option.RETAIN_LONGITUDINAL_FULL_DATES))

    assert after.ContentDescription == "Liver 2024-03-05"


def test_a_code_without_a_scheme_is_cleaned_too():
    dataset = ct_header()
    without = item(CodeValue="X1", CodeMeaning="Protocol 05.03.2024 Dr. Huber")
    published = code("SCT", "Lung")
    published.AnatomicRegionModifierSequence = Sequence([without])
    dataset.AnatomicRegionSequence = Sequence([published, without])

    after, _ = process_dataset(dataset, under=profile(*RESEARCH))

    lung, own = after.AnatomicRegionSequence
    assert lung.AnatomicRegionModifierSequence[0].CodeMeaning == "Protocol"
    assert own.CodeMeaning == "Protocol"


def test_names_and_versions_of_equipment_stay():
    dataset = ct_header(
        InstitutionName="TOSHIBA Klinik",
        Manufacturer="TOSHIBA_MEC",
        ManufacturerModelName="Holder Type 9840 500 70201",
        SoftwareVersions=["00-2.0.0(29Oct)", "Lib Ver02.00.00[20010925]", "51.80.108.010"],
        PostprocessingFunction="pa_020395",
    )

    after, _ = process_dataset(dataset, under=profile(*RESEARCH))

    for keyword in (
        "Manufacturer",
        "ManufacturerModelName",
        "SoftwareVersions",
        "PostprocessingFunction",
    ):
        assert after[keyword].value == dataset[keyword].value
