"""The first step: find the study at the source and list what is expected."""

from __future__ import annotations

from dataclasses import dataclass, field

from adit.core.deid import SourcePatient, excluded_as
from adit.core.dicom import (
    DicomError,
    DicomOperator,
    PermanentDicomError,
    Query,
    ResultStream,
    SeriesResult,
    StudyResult,
    same_patient,
)
from adit.core.transfer.patients import cannot_answer, is_shared, patient_of
from adit.core.transfer.request import TransferRequest

EMPTY = "The source has no instances in this series."
UNCOUNTED = "The source tells neither names nor number of the instances of {} of its series."
SHARED = (
    "{} has this Study Instance UID under several patients; only what is of this patient is moved."
)
LIKE_A_LIMIT = (
    "{}: {} lists {} instances, which may be its limit, and counts none. What it sends "
    "beyond them is taken, too."
)
# At so many results servers and gateways are often set to end an answer.
_LIMITS = frozenset(
    (50, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 1024, 2000, 2048, 2500, 4096, 5000, 10_000)
)
CUT = "{} lists {} series, as many as it gives at most: there may be more."
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
        counted: False where the source tells not even a number: what it sends is all there is.
        excluded: why the series stays behind, or "".
    """

    series_instance_uid: str
    series_number: int | None = None
    modality: str = ""
    description: str = ""
    instance_uids: list[str] | None = None
    expected: int = 0
    counted: bool = True
    excluded: str = ""

    @property
    def in_words(self) -> str:
        return series_in_words(self.series_number)


def series_in_words(number: int | None) -> str:
    """`series 3`, or what to say where the source gives no number."""
    return "a series without number" if number is None else f"series {number}"


@dataclass
class Plan:
    """The expected set, and what had to be said about it.

    Attributes:
        patient_id: under which the study is filed at the source; "" where that tells none.
        shared: whether the source has the Study Instance UID under other patients, too: only what
            is of this patient may be delivered.
        patient: whose study it is, as the source says.
        remarks: what may be of interest, and is no reason to doubt.
    """

    patient_id: str
    series: list[PlannedSeries]
    warnings: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    shared: bool = False
    patient: SourcePatient = SourcePatient()


def make_plan(source: DicomOperator, request: TransferRequest) -> Plan:
    """Find the study, list its series and their instances.

    Raises:
        PermanentDicomError: no such study, several of them, a wanted series is not there, or an
            answer cannot be read.
        TransientDicomError: the source does not answer.
    """
    study, warnings = find_study(source, request)
    plan = Plan(study.patient_id or "", [], warnings)
    plan.patient = patient_of(study, request.patient_id)
    plan.shared = is_shared(source, request.study_instance_uid, plan.patient_id)
    found, answers = _series(source, request, plan)
    planned = (_plan_series(source, request, plan, one) for one in found)
    plan.series = [series for series in planned if series is not None]
    wanted = set(request.series_instance_uids)
    missing = wanted - {series.series_instance_uid for series in plan.series}
    if missing:
        raise answers.remarks.broken_off or PermanentDicomError(
            f"{len(missing)} of {len(wanted)} wanted series are not at {source.server.name}."
        )
    if not wanted:
        plan.warnings += _contradictions(source, study, plan)
        if answers.truncated and study.number_of_series is None:
            plan.warnings.append(_cut(source.server.name, answers))
    if study.number_of_instances is None:
        plan.remarks += _like_limits(source.server.name, found, plan)
    uncounted = sum(not series.counted for series in plan.series)
    if uncounted:
        plan.warnings.append(UNCOUNTED.format(uncounted))
    return plan


def find_growth(source: DicomOperator, request: TransferRequest, plan: Plan) -> list[PlannedSeries]:
    """Series that the source has more of now than `plan` says: the study has grown meanwhile.

    Raises:
        DicomError: the source does not answer, or not to the end.
    """
    planned = {series.series_instance_uid: series for series in plan.series}
    grown = []
    listed, answers = _series(source, request, plan)
    for found in listed:
        old = planned.get(found.series_instance_uid)
        if old is not None and (
            not old.counted or found.number_of_instances == old.expected or _stays_behind(old)
        ):
            continue
        new = _plan_series(source, request, plan, found)
        if new is None:
            continue
        if old is None or new.expected > old.expected or _has_more(new, old):
            grown.append(new)
    if not grown and answers.remarks.broken_off is not None:
        raise answers.remarks.broken_off
    return grown


def _stays_behind(series: PlannedSeries) -> bool:
    return series.excluded not in ("", EMPTY)


def _has_more(new: PlannedSeries, old: PlannedSeries) -> bool:
    return bool(set(new.instance_uids or ()) - set(old.instance_uids or new.instance_uids or ()))


def find_study(source: DicomOperator, request: TransferRequest) -> tuple[StudyResult, list[str]]:
    """The study as it is filed now, and warnings.

    Raises:
        PermanentDicomError: no such study, or several of them.
        TransientDicomError: the source does not answer.
    """
    uid = request.study_instance_uid
    studies = _distinct(source, Query(patient_id=request.patient_id, study_instance_uid=uid))
    warnings = []
    if not studies and request.patient_id:
        studies = _distinct(source, Query(study_instance_uid=uid))
        if studies:
            warnings.append("The study is filed under another patient ID now.")
    if not studies:
        raise PermanentDicomError(f"The study was not found at {source.server.name}.")
    if len(studies) > 1:
        raise PermanentDicomError(
            f"{source.server.name} has {len(studies)} studies with this Study Instance UID."
        )
    return studies[0], warnings


def _distinct(source: DicomOperator, query: Query) -> list[StudyResult]:
    """The studies found; the same one told twice is one."""
    found = source.find_studies(query).all_readable()
    return list({study.patient_id: study for study in found}.values())


def _series(
    source: DicomOperator, request: TransferRequest, plan: Plan
) -> tuple[list[SeriesResult], ResultStream[SeriesResult]]:
    """The wanted series of the study, each once, and the answers, which know whether they end."""
    query = Query(
        patient_id=plan.patient_id,
        study_instance_uid=request.study_instance_uid,
        patient_at_every_level=plan.shared,
    )
    wanted = set(request.series_instance_uids)
    answers = source.find_series(query)
    found: dict[str, SeriesResult] = {}
    for series in answers:
        uid = series.series_instance_uid
        if uid and (not wanted or uid in wanted) and _may_be_own(plan, series.patient_id):
            found.setdefault(uid, series)
    return list(found.values()), answers


def _cut(name: str, answers: ResultStream[SeriesResult]) -> str:
    """What to say of a list of series that may be a part, where no count tells."""
    broken_off = answers.remarks.broken_off
    if broken_off is not None:
        return f"{broken_off.message} There may be more series."
    return CUT.format(name, answers.count)


def _may_be_own(plan: Plan, patient_id: str | None) -> bool:
    """Whether an answer is of the patient, or may be: some servers name none below study level."""
    return not plan.shared or patient_id is None or same_patient(patient_id, plan.patient_id)


def _like_limits(name: str, found: list[SeriesResult], plan: Plan) -> list[str]:
    """Lists that may be cut, where no count tells."""
    uncounted = {one.series_instance_uid for one in found if one.number_of_instances is None}
    return [
        LIKE_A_LIMIT.format(series.in_words.capitalize(), name, series.expected)
        for series in plan.series
        if series.series_instance_uid in uncounted
        and not series.excluded
        and len(series.instance_uids or ()) in _LIMITS
    ]


def _contradictions(source: DicomOperator, study: StudyResult, plan: Plan) -> list[str]:
    """Where the source counts more at study level than it lists below: its lists are cut."""
    name = source.server.name
    if (study.number_of_series or 0) > len(plan.series):
        return [f"{name} counts {study.number_of_series} series but lists {len(plan.series)}."]
    listed = sum(series.expected for series in plan.series)
    if all(series.counted for series in plan.series) and (study.number_of_instances or 0) > listed:
        return [f"{name} counts {study.number_of_instances} instances but lists {listed}."]
    return []


def _plan_series(
    source: DicomOperator, request: TransferRequest, plan: Plan, series: SeriesResult
) -> PlannedSeries | None:
    """What is expected of a series; None where all of it is another patient's."""
    planned = PlannedSeries(
        series_instance_uid=series.series_instance_uid,
        series_number=series.series_number,
        modality=series.modality or "",
        description=series.series_description or "",
    )
    modality = excluded_as(request.excluded_modalities, planned.modality, "")
    if request.pseudonymize and modality:
        planned.excluded = f"Modality {modality} is excluded when pseudonymising."
    elif request.convert_to_nifti and planned.modality in WITHOUT_PIXELS:
        planned.excluded = f"Modality {planned.modality} has no pixels to convert to NIfTI."
    uids, others = _list_instances(source, request, plan, series)
    # A source that answers nothing at IMAGE level, or less than it counts, is not believed.
    counted = series.number_of_instances
    if others:
        # It told whose they are, and may count those of the others in.
        if not uids:
            return None
        counted = len(uids)
    if uids and len(uids) >= (counted or 0):
        planned.instance_uids = uids
        planned.expected = len(uids)
    else:
        planned.expected = max(counted or 0, len(uids or ()))
        planned.counted = bool(planned.expected) or counted == 0
    if counted == 0 and uids == [] and not planned.excluded:
        planned.excluded = EMPTY
    return planned


def _list_instances(
    source: DicomOperator, request: TransferRequest, plan: Plan, series: SeriesResult
) -> tuple[list[str] | None, int]:
    """The SOP Instance UIDs that the source lists, each once; None where it cannot list them, or
    may have cut the list: it counts other instances then, or none.

    The number is how many it lists of other patients.

    Raises:
        TransientDicomError: the source does not answer now.
        PermanentDicomError: an answer cannot be read, so that an instance would be missed.
    """
    answers = source.find_instances(
        Query(
            patient_id=plan.patient_id,
            study_instance_uid=request.study_instance_uid,
            series_instance_uid=series.series_instance_uid,
            only_uids=True,
            patient_at_every_level=plan.shared,
        )
    )
    uids: dict[str, None] = {}
    others = 0
    try:
        for answer in answers:
            if not _may_be_own(plan, answer.patient_id):
                others += 1
            elif answer.sop_instance_uid:
                uids[answer.sop_instance_uid] = None
    except DicomError as error:
        if cannot_answer(error):
            return None, 0
        raise
    if answers.truncated and len(uids) != series.number_of_instances:
        return None, 0
    return list(uids), others
