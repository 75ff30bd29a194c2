"""Whose an instance is, where a server has one Study Instance UID under several patients.

A Study Instance UID is unique (PS3.5 9.1), but copies under another patient ID share it. UIDs
alone do not tell them apart, and below study level servers are asked by UIDs alone.
"""

from __future__ import annotations

from adit.core.dicom import DicomOperator, PermanentDicomError, Query


def patients_of(operator: DicomOperator, study_uid: str) -> set[str]:
    """The patient IDs under which a server has a study; empty where it does not answer to the
    Study Instance UID alone.

    Raises:
        TransientDicomError: it cannot say now.
    """
    try:
        studies = list(operator.find_studies(Query(study_instance_uid=study_uid)))
    except PermanentDicomError:
        return set()
    return {study.patient_id for study in studies if study.patient_id is not None}
