"""Whose an instance is, where a server has one Study Instance UID under several patient IDs.

A Study Instance UID is unique (PS3.5 9.1), but copies under another patient ID share it. UIDs
alone do not tell them apart, and below study level servers are asked by UIDs alone.
"""

from __future__ import annotations

from adit.core.deid import SourcePatient
from adit.core.dicom import (
    DicomError,
    DicomOperator,
    PermanentDicomError,
    Query,
    StudyResult,
    same_patient,
)
from adit.core.dicom.remarks import UNREADABLE
from adit.core.transfer.run import Run
from adit.core.words import counted

SEVERAL_IDS = (
    "The instances hold {} different patient IDs although the source files them as one patient's: "
    "check there whose they are."
)
UNLISTED = (
    "{} came that the source had not listed, with another patient ID in the header: left behind. "
    "Check there whose they are."
)
ANOTHER_ID = "Instances hold another patient ID than the one under which the study is filed."


def patient_of(study: StudyResult, asked: str) -> SourcePatient:
    """The patient of a study as the source has it filed now, which may differ from what the headers
    of its instances say.

    Args:
        asked: the patient ID under which the study was looked for, which may be an earlier one.
    """
    born = study.patient_birth_date
    return SourcePatient(
        patient_ids=tuple(dict.fromkeys(filter(None, (study.patient_id, asked)))),
        name=study.patient_name or "",
        birth_date=f"{born:%Y%m%d}" if born else "",
        accession_number=study.accession_number or "",
    )


class Ownership:
    """Whether arrivals are of the patient whose study was planned.

    Attributes:
        seen: the patient IDs in the headers of what was accepted, where these are kept for the
            destination.

    Args:
        patient_id: of the plan; "" where nobody names one.
        shared: whether the source has the Study Instance UID under other patients, too.
    """

    def __init__(self, patient_id: str, shared: bool, seen: set[str] | None = None) -> None:
        self._patient_id = patient_id
        self._shared = shared
        self._told = False
        self._unlisted = 0
        self._listed = set[str]()
        self._in_headers = set[str]()
        self.seen = set[str]() if seen is None else seen

    def accepts(self, patient_id: str, run: Run, *, listed: bool = True) -> bool:
        """Whether an instance with this patient ID in its header may be delivered.

        Sources file a study under a new patient ID and leave the old one in the headers: where
        nobody else has a study of this UID, that is said once, and no obstacle. What the source did
        not list must have a patient ID that is known from it, or from what it listed.
        """
        if not listed and not self._is_known(patient_id):
            self._unlisted += 1
            return False
        if not same_patient(patient_id, self._patient_id):
            if self._shared:
                return False
            if self._patient_id and not self._told:
                self._told = True
                run.event(ANOTHER_ID, "warning")
        self.seen.add(patient_id)
        if listed:
            self._listed.add(patient_id)
        if patient_id.strip():
            self._in_headers.add(patient_id.strip().casefold())
        return True

    def _is_known(self, patient_id: str) -> bool:
        known = {self._patient_id, *self._listed}
        return not self._patient_id or any(same_patient(patient_id, one) for one in known)

    def remarks(self) -> list[str]:
        """What has to be said of all that came, nothing where it is of one patient.

        One ID that differs from the source's is as a rule an earlier one of the same patient.
        Several in one study are those of a wrong merge as well as of a right one.
        """
        number = len(self._in_headers)
        remarks = [SEVERAL_IDS.format(number)] if number > 1 else []
        if self._unlisted:
            remarks.append(UNLISTED.format(counted(self._unlisted, "instance")))
        return remarks


def patients_of(operator: DicomOperator, study_uid: str) -> set[str]:
    """The patient IDs under which a server has a study, "" for a study without one; empty where it
    does not answer to the Study Instance UID alone.

    Raises:
        TransientDicomError: it cannot say now.
        PermanentDicomError: an answer cannot be read.
    """
    try:
        studies = operator.find_studies(Query(study_instance_uid=study_uid)).all_readable()
    except DicomError as error:
        if cannot_answer(error):
            return set()
        raise
    return {study.patient_id or "" for study in studies}


def cannot_answer(error: DicomError) -> bool:
    """Whether a server says that it does not answer such a query, now or later.

    PS3.4 C.4.1.1.4: "unable to process" is what some say to what they lack.
    """
    if error.code == UNREADABLE:
        # It does answer, and what its answer says must not be missed.
        return False
    unable = len(error.code) == 4 and error.code.startswith("C")
    return unable or isinstance(error, PermanentDicomError)


def is_shared(operator: DicomOperator, study_uid: str, patient_id: str) -> bool:
    """Whether a server has a study under other patient IDs than `patient_id`, too.

    Raises:
        TransientDicomError: it cannot say now.
    """
    patients = patients_of(operator, study_uid)
    if patients == {""}:
        # It names no patient at all.
        return False
    return any(not same_patient(patient, patient_id) for patient in patients)
