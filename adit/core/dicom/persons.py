"""Patients under one patient ID, and who of them is another one."""

from __future__ import annotations

from collections.abc import Iterator

from .remarks import Remarks
from .results import PatientResult, StudyResult


class Persons:
    """Who is found under which patient ID, which is unique for one issuer only (PS3.3 C.7.1.1).

    The same ID with another spelling of the name is the same patient; with another birth date or
    sex it is another one. What is not told makes no difference.
    """

    def __init__(self, remarks: Remarks) -> None:
        self._remarks = remarks
        self._found: dict[object, list[tuple[object, object]]] = {}

    def is_new(self, one: PatientResult | StudyResult) -> bool:
        known = self._found.setdefault(one.patient_id or (None, one.patient_name), [])
        person = (one.patient_birth_date, one.patient_sex)
        for number, other in enumerate(known):
            if all(a is None or b is None or a == b for a, b in zip(person, other, strict=True)):
                # Together they tell more.
                born, sex = (a if a is not None else b for a, b in zip(other, person, strict=True))
                known[number] = born, sex
                return False
        known.append(person)
        self._remarks.shared_id = self._remarks.shared_id or len(known) > 1
        return True


def distinct(patients: Iterator[PatientResult], remarks: Remarks) -> Iterator[PatientResult]:
    """Each patient once; notes where different ones have one patient ID."""
    persons = Persons(remarks)
    return (patient for patient in patients if persons.is_new(patient))


def telling_apart(studies: Iterator[StudyResult], remarks: Remarks) -> Iterator[StudyResult]:
    """The same studies; notes where those of one patient ID are of different patients."""
    persons = Persons(remarks)
    try:
        for study in studies:
            if study.patient_id:
                persons.is_new(study)
            yield study
    finally:
        close = getattr(studies, "close", None)
        if close is not None:
            close()
