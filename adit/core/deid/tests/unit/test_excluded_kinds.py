"""Excluded modalities are known by the SOP class too, whatever Modality says."""

from __future__ import annotations

import pytest

from adit.core.deid import ExcludedModality
from adit.core.deid.excluded import modality_of_class
from adit.core.deid.tests.objects import CT_IMAGE, ct_header, process_dataset, profile

STORAGE = "1.2.840.10008.5.1.4.1.1."
REPORT, DOSE_REPORT, KEY_OBJECTS = STORAGE + "88.11", STORAGE + "88.67", STORAGE + "88.59"
STATE, WAVEFORM_STATE, OF_A_LATER_EDITION = STORAGE + "11.1", STORAGE + "9.100.1", "88.9999"
EXCLUDING = profile(excluded_modalities=frozenset({"PR", "SR"}))


@pytest.mark.parametrize("modality", ["SR", "sr", " Sr ", "", None, "OT", "CT\\SR"])
@pytest.mark.parametrize("sop_class", [REPORT, DOSE_REPORT, STORAGE + OF_A_LATER_EDITION])
def test_a_report_is_a_report(sop_class: str, modality: str | None):
    dataset = ct_header(SOPClassUID=sop_class)
    del dataset.Modality
    if modality is not None:
        dataset.Modality = modality

    with pytest.raises(ExcludedModality, match="modality SR"):
        process_dataset(dataset, under=EXCLUDING)


@pytest.mark.parametrize("sop_class", [STATE, WAVEFORM_STATE])
def test_a_presentation_state_is_one(sop_class: str):
    with pytest.raises(ExcludedModality, match="modality PR"):
        process_dataset(ct_header(SOPClassUID=sop_class, Modality="OT"), under=EXCLUDING)


def test_modalities_are_compared_without_case_on_both_sides():
    with pytest.raises(ExcludedModality):
        process_dataset(
            ct_header(Modality="us"), under=profile(excluded_modalities=frozenset({" Us"}))
        )


@pytest.mark.parametrize(
    ("sop_class", "modality"), [(CT_IMAGE, "CT"), (KEY_OBJECTS, "KO"), (STORAGE + "7", "OT")]
)
def test_other_objects_pass(sop_class: str, modality: str):
    after, _ = process_dataset(ct_header(SOPClassUID=sop_class, Modality=modality), under=EXCLUDING)

    assert after.Modality == modality


def test_kinds_that_allow_several_modalities_are_of_none():
    assert modality_of_class(STORAGE + "7") == ""  # secondary capture
    assert modality_of_class("1.2.3") == modality_of_class("") == ""
    assert modality_of_class(STORAGE + "88") == "SR"
    assert modality_of_class(STORAGE + "881") == ""
