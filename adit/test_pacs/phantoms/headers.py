"""What every example instance says about patient, study, equipment and series."""

import hashlib
from datetime import date

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, generate_uid

from .plans import Patient, Series, Study

UID_ROOT = "1.2.826.0.1.3680043.10.511."
PRIVATE_CREATOR = "ADIT PHANTOM 1.0"


def phantom_uid(*parts: object) -> UID:
    """A UID that depends on nothing but the parts."""
    return generate_uid(prefix=UID_ROOT, entropy_srcs=["adit-phantom", *map(str, parts)])


def phantom_seed(*parts: object) -> int:
    """A seed for the grain of a picture that depends on nothing but the parts."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


def header(patient: Patient, study: Study, series: Series, number: int, instance: int) -> Dataset:
    """The modules that all kinds of instances share (PS3.3 C.7.1 to C.7.5).

    Args:
        number: The number of the series in the study, from 1.
        instance: The number of the instance in the series, from 1.
    """
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = series.syntax
    if patient.character_set:
        ds.SpecificCharacterSet = (
            patient.character_set
            if isinstance(patient.character_set, str)
            else list(patient.character_set)
        )
    ds.SOPInstanceUID = phantom_uid(patient.patient_id, study.number, number, instance)
    _add_patient(ds, patient, study)
    _add_study(ds, patient, study)
    _add_equipment(ds, study)
    ds.Modality = series.modality
    ds.SeriesInstanceUID = phantom_uid(patient.patient_id, study.number, number)
    ds.SeriesNumber = number
    if series.description:
        ds.SeriesDescription = series.description
    ds.InstanceNumber = instance
    if study.day is not None and study.at is not None:
        ds.SeriesDate = ds.ContentDate = study.day.strftime("%Y%m%d")
        ds.SeriesTime = ds.ContentTime = study.at.strftime("%H%M%S.%f")
    _add_private(ds, patient, number)
    return ds


def _add_patient(ds: Dataset, patient: Patient, study: Study) -> None:
    ds.PatientName = patient.name
    ds.PatientID = patient.patient_id
    ds.PatientBirthDate = patient.born.strftime("%Y%m%d") if patient.born else ""
    ds.PatientSex = patient.sex
    if patient.address:
        ds.PatientAddress = patient.address
        ds.PatientTelephoneNumbers = f"+49 6221 55{patient.patient_id}"
        ds.OtherPatientIDs = f"INS-{patient.patient_id}"
    if patient.comments:
        ds.PatientComments = patient.comments
        ds.AdditionalPatientHistory = f"{patient.name.split('=')[0].split('^')[0]}: see old films"
    if patient.born and study.day:
        ds.PatientAge = f"{_age(patient.born, study.day):03d}Y"
    if patient.sex:
        ds.PatientSize = "1.72"
        ds.PatientWeight = "70.5"
        ds.Occupation = "Baker"


def _add_study(ds: Dataset, patient: Patient, study: Study) -> None:
    ds.StudyInstanceUID = phantom_uid(patient.patient_id, study.number)
    ds.StudyID = f"{patient.patient_id}{study.number}"
    ds.StudyDate = study.day.strftime("%Y%m%d") if study.day else ""
    ds.StudyTime = _study_time(study)
    if study.description is not None:
        ds.StudyDescription = study.description
    ds.AccessionNumber = (
        "" if study.accession_number is None else f"ACC{patient.patient_id}{study.number}"
    )
    ds.ReferringPhysicianName = patient.physician
    if patient.physician:
        ds.PerformingPhysicianName = patient.physician
        ds.OperatorsName = "Operator^Ida"
        ds.InstitutionName = "Example Hospital"
        ds.InstitutionAddress = "Hospital Road 1"
        ds.InstitutionalDepartmentName = "Radiology"
        ds.RequestedProcedureDescription = study.description or ""


def _study_time(study: Study) -> str:
    if study.at is None:
        return ""
    return study.at.strftime("%H%M%S.%f" if study.at.microsecond else "%H%M%S")


def _add_equipment(ds: Dataset, study: Study) -> None:
    ds.Manufacturer = "Phantom Works"
    ds.ManufacturerModelName = "Ellipse 9000"
    ds.DeviceSerialNumber = "SN-4711"
    ds.SoftwareVersions = "1.0"
    ds.StationName = "PHANTOM01"
    if study.day is not None and study.at is not None:
        ds.InstanceCreationDate = study.day.strftime("%Y%m%d")
        ds.InstanceCreationTime = study.at.strftime("%H%M%S")


def _add_private(ds: Dataset, patient: Patient, number: int) -> None:
    """Private elements as vendors write them: one names the patient, one is harmless."""
    block = ds.private_block(0x0009, PRIVATE_CREATOR, create=True)
    block.add_new(0x01, "PN", patient.name)
    block.add_new(0x02, "LO", f"RIS-{patient.patient_id}")
    block.add_new(0x10, "DS", ["1.5", str(number)])
    block.add_new(0x11, "OB", bytes(range(16)))


def _age(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
