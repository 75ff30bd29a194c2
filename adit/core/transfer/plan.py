"""The first step: find the study at the source and list what is expected."""

from __future__ import annotations

from dataclasses import dataclass, field

from adit.core.dicom import DicomOperator, PermanentDicomError, Query, SeriesResult
from adit.core.transfer.request import TransferRequest

# Modalities whose instances hold no pixel data (PS3.3 C.7.3.1.1.1).
WITHOUT_PIXELS = frozenset(
    ("SR", "KO", "PR", "AU", "DOC", "ECG", "EEG", "EMG", "EOG", "EPS", "FID", "HD", "PLAN", "REG")
    + ("RESP", "RTINTENT", "RTPLAN", "RTRAD", "RTRECORD", "RTSEGANN", "RTSTRUCT", "RWV", "SMR")
    + ("ANN", "ASMT", "KER", "LEN", "OAM", "SRF", "STAIN", "TEXTUREMAP", "VA", "M3D", "POS")
)


@dataclass(kw_only=True)
class PlannedSeries:
    """A series of the study.

    Attributes:
        instance_uids: the SOP Instance UIDs that the source lists; None where it tells no more
            than their number.
        expected: how many instances there should be.
        excluded: why the series stays behind, or "".
    """

    series_instance_uid: str
    series_number: int | None = None
    modality: str = ""
    description: str = ""
    instance_uids: list[str] | None = None
    expected: int = 0
    excluded: str = ""


@dataclass
class Plan:
    """The expected set, and what had to be said about it."""

    patient_id: str
    series: list[PlannedSeries]
    warnings: list[str] = field(default_factory=list)


def make_plan(source: DicomOperator, request: TransferRequest) -> Plan:
    """Find the study, list its series and their instances.

    Raises:
        PermanentDicomError: no such study, several of them, or a wanted series is not there.
        TransientDicomError: the source does not answer.
    """
    patient_id, warnings = _find_study(source, request)
    plan = Plan(patient_id, [], warnings)
    query = Query(patient_id=patient_id, study_instance_uid=request.study_instance_uid)
    found = list(source.find_series(query))
    wanted = set(request.series_instance_uids)
    missing = wanted - {series.series_instance_uid for series in found}
    if missing:
        raise PermanentDicomError(
            f"{len(missing)} of {len(wanted)} wanted series are not at {source.server.name}."
        )
    for series in found:
        if not wanted or series.series_instance_uid in wanted:
            plan.series.append(_plan_series(source, request, patient_id, series))
    return plan


def _find_study(source: DicomOperator, request: TransferRequest) -> tuple[str, list[str]]:
    """The patient id under which the study is filed now, and warnings."""
    uid = request.study_instance_uid
    studies = list(
        source.find_studies(Query(patient_id=request.patient_id, study_instance_uid=uid))
    )
    warnings = []
    if not studies:
        studies = list(source.find_studies(Query(study_instance_uid=uid)))
        if studies:
            warnings.append("The study is filed under another patient ID now.")
    if not studies:
        raise PermanentDicomError(f"The study was not found at {source.server.name}.")
    if len(studies) > 1:
        raise PermanentDicomError(
            f"{source.server.name} has {len(studies)} studies with this Study Instance UID."
        )
    return studies[0].patient_id or "", warnings


def _plan_series(
    source: DicomOperator, request: TransferRequest, patient_id: str, series: SeriesResult
) -> PlannedSeries:
    planned = PlannedSeries(
        series_instance_uid=series.series_instance_uid,
        series_number=series.series_number,
        modality=series.modality or "",
        description=series.series_description or "",
    )
    if request.pseudonymize and planned.modality in request.excluded_modalities:
        planned.excluded = f"Modality {planned.modality} is excluded when pseudonymising."
    elif request.convert_to_nifti and planned.modality in WITHOUT_PIXELS:
        planned.excluded = f"Modality {planned.modality} has no pixels to convert to NIfTI."
    uids = [
        instance.sop_instance_uid
        for instance in source.find_instances(
            Query(
                patient_id=patient_id,
                study_instance_uid=request.study_instance_uid,
                series_instance_uid=series.series_instance_uid,
            )
        )
        if instance.sop_instance_uid
    ]
    # A source that answers nothing at IMAGE level, or less than it counts, is not believed.
    counted = series.number_of_instances or 0
    if uids and len(uids) >= counted:
        planned.instance_uids = list(dict.fromkeys(uids))
        planned.expected = len(planned.instance_uids)
    else:
        planned.expected = max(counted, len(uids))
    return planned
