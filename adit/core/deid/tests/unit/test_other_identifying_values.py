"""Specimens, institutions, devices and persons by code: known from the header, gone from text."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from adit.core.deid import FindingKind, Option
from adit.core.deid.codec import EXPLICIT_LITTLE
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.tests.objects import ct_header, encode, process_dataset, profile

CLEANED = (Option.CLEAN_DESCRIPTORS, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES)


def _code(meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", meaning
    return item


def _specimen(identifier: str) -> list[Dataset]:
    item = Dataset()
    item.SpecimenIdentifier, item.SpecimenUID = identifier, "1.2.3.9"
    return [item]


def _physician(name: str) -> list[Dataset]:
    item = Dataset()
    item.PersonIdentificationCodeSequence = [_code(name)]
    return [item]


def _described(description: str, *options: Option, **attributes: Any) -> str:
    dataset = ct_header(SeriesDescription=description, **attributes)
    cleaned, _ = process_dataset(dataset, under=profile(*CLEANED, *options))
    return cleaned.SeriesDescription


def _findings(description: str, undefined: bool = False, **attributes: Any) -> set[FindingKind]:
    """Of the gate alone, on an object that the engine did not clean."""
    source = ct_header(**attributes)
    for element in source.iterall():
        if undefined and element.VR == "SQ":
            element.is_undefined_length = True
    left = Dataset()
    left.SeriesDescription = description
    found = LeakGate().check(encode(source), encode(left), EXPLICIT_LITTLE)
    return {finding.kind for finding in found}


SPECIMENS = [
    {"ContainerIdentifier": "S19-1234"},
    {"SpecimenDescriptionSequence": _specimen("S19-1234")},
    {"SpecimenDescriptionSequence": _specimen("S19-1234 A1")},
]


@pytest.mark.parametrize("attributes", SPECIMENS)
def test_numbers_of_specimens_go_and_are_found(attributes: dict[str, Any]):
    assert _described("HE S19-1234 liver", **attributes) == "HE liver"
    assert _findings("HE s19 1234 liver", **attributes) == {FindingKind.ACCESSION_NUMBER}


@pytest.mark.parametrize(
    ("name", "written", "left"),
    [
        ("MGH", "MGH knee", "knee"),
        ("MGH", "mgh_knee", "knee"),
        ("UKE", "UKE2 knee", "2 knee"),
        ("KN", "KN knee", "knee"),
        ("KN", "kn knee", "kn knee"),
        ("LMU Klinikum", "LMU knee", "knee"),
        ("AKH WIEN", "AKH knee Wien", "knee"),
        ("CT", "CT knee", "CT knee"),
        ("MR Zentrum", "MR knee", "MR knee"),
        ("AX", "AX T2 LR", "AX T2 LR"),
        ("Haus LEG", "LEG left", "LEG left"),
        ("LMU Klinikum", "elmum knee", "elmum knee"),
    ],
)
def test_short_names_of_institutions_go_unless_they_are_ordinary(
    name: str, written: str, left: str
):
    assert _described(written, InstitutionName=name) == left


@pytest.mark.parametrize(
    "attributes",
    [
        {"InstitutionCodeSequence": [_code("Hopeville Hospital")]},
        {"ClinicalTrialSiteName": "Hopeville"},
        {"ResponsibleOrganization": "Hopeville Stiftung"},
        {"CurrentPatientLocation": "Station Hopeville 3"},
        {"RequestingService": "Hopeville"},
        {"IssuerOfPatientID": "HIS_HOPEVILLE"},
        {"StationName": "HOPEVILLE"},
        {"DeviceSerialNumber": "HOPEVILLE"},
    ],
)
def test_other_values_that_tell_a_place_go(attributes: dict[str, Any]):
    assert _described("Hopeville knee", **attributes) == "knee"


def test_the_service_that_everybody_has_stays():
    assert _described("Radiology knee", RequestingService="Radiology") == "Radiology knee"


@pytest.mark.parametrize("name", ["CT", "MR1", "KNEE", "1234"])
def test_a_station_that_is_called_as_what_it_does_stays(name: str):
    assert _described(f"{name} lateral", StationName=name) == f"{name} lateral"


def test_names_of_devices_stay_where_their_identity_is_retained():
    written = "CTHD0815 knee"

    assert _described(written, StationName="CTHD0815") == "knee"
    assert _described(written, Option.RETAIN_DEVICE_IDENTITY, StationName="CTHD0815") == written


def test_names_of_persons_told_by_a_code_go_and_are_found():
    physician: dict[str, Any] = {
        "ReferringPhysicianIdentificationSequence": _physician("Kunigunde Rehbein")
    }

    assert _described("Rehbein knee", **physician) == "knee"
    assert _findings("Rehbein knee", **physician) == {FindingKind.PATIENT_NAME}
    assert _findings("Rehbein knee", undefined=True, **physician) == {FindingKind.PATIENT_NAME}


@pytest.mark.parametrize("phone", ["06221 567890", "+49 6221 567890", "06221/567-890"])
def test_a_phone_without_the_code_of_its_area_is_found(phone: str):
    assert _findings("call 567890", PatientTelephoneNumbers=phone) == {FindingKind.PHONE}
    assert not _findings("call 1567890", PatientTelephoneNumbers=phone)
    dataset = ct_header(PatientTelephoneNumbers=phone, ManufacturerModelName="m 567890")
    cleaned, result = process_dataset(dataset, under=profile(*CLEANED))
    assert (cleaned.ManufacturerModelName, result.findings) == ("m", [])
