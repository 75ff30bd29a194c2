"""Takes one instance of each kind of series and shows what its de-identification would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from pydicom.uid import UID

from adit.core.deid import (
    Assignment,
    DeidentificationError,
    Profile,
    excluded_as,
    preview,
)
from adit.core.dicom import (
    CancelToken,
    DicomError,
    DicomOperator,
    InstanceResult,
    PermanentDicomError,
    Query,
)
from adit.core.models import DicomServer
from adit.core.pages.profiles.shown_preview import ShownPreview, shown
from adit.core.transfer.single import Filed, fetch_one, look_up, looking_at

# One question per series is asked; a basket of thousands of series must not hold up the PACS.
MOST_SERIES = 200


@dataclass(frozen=True, kw_only=True)
class StudyToSample:
    """A study of the basket, with its source and with whom it becomes."""

    number: int
    server: DicomServer
    patient_id: str
    study_instance_uid: str
    series_instance_uids: frozenset[str]
    assignment: Assignment


@dataclass(frozen=True)
class Progress:
    """What is done now, in words without identifiers."""

    text: str


@dataclass(frozen=True)
class Sample:
    """A kind of series: its preview, or why there is none."""

    label: str
    source: str
    shown: ShownPreview | None = None
    error: str = ""


@dataclass
class _Seen:
    kinds: set[tuple[str, str]] = field(default_factory=set)
    series: int = 0


def take_samples(
    studies: Sequence[StudyToSample], profile: Profile, cancel: CancelToken
) -> Iterator[Progress | Sample]:
    """Go through the studies, source by source; what is shown stays in memory.

    Raises:
        Canceled: the token was set.
    """
    seen = _Seen()
    by_server: dict[int, list[StudyToSample]] = {}
    for study in studies:
        by_server.setdefault(study.server.pk, []).append(study)
    for there in by_server.values():
        with looking_at(there[0].server, cancel) as source:
            for study in there:
                text = f"Study {study.number} of {len(studies)}: asking {source.server.name}"
                yield Progress(f"{text} for its series …")
                try:
                    yield from _of_study(source, study, profile, seen)
                except DicomError as err:
                    yield Sample(f"Study {study.number}", source.server.name, error=str(err))


def _of_study(
    source: DicomOperator, study: StudyToSample, profile: Profile, seen: _Seen
) -> Iterator[Progress | Sample]:
    name = source.server.name
    filed = look_up(source, study.patient_id, study.study_instance_uid)
    study = replace(
        study,
        patient_id=filed.patient_id,
        assignment=replace(study.assignment, patient=filed.patient),
    )
    query = Query(
        patient_id=study.patient_id,
        study_instance_uid=study.study_instance_uid,
        patient_at_every_level=filed.shared,
    )
    wanted = study.series_instance_uids
    found = [
        series
        for series in source.find_series(query)
        if (not wanted or series.series_instance_uid in wanted)
        and filed.may_be_own(series.patient_id)
    ]
    if not found:
        raise PermanentDicomError(f"{name} does not have the study any more.")
    for number, series in enumerate(found, start=1):
        modality = series.modality or "no modality"
        uid = series.series_instance_uid
        if excluded := excluded_as(frozenset(profile.excluded_modalities), modality, ""):
            if (modality, "") not in seen.kinds:
                seen.kinds.add((modality, ""))
                text = f"Modality {excluded} is excluded when pseudonymising."
                yield Sample(modality, name, ShownPreview([], [], text, []))
            continue
        if seen.series >= MOST_SERIES:
            raise PermanentDicomError(
                f"More than {MOST_SERIES} series: what comes after them is not looked at."
            )
        seen.series += 1
        yield Progress(f"Study {study.number}, series {number} of {len(found)} …")
        first = _first_instance(source, filed, replace(query, series_instance_uid=uid))
        kind = (modality, first.sop_class_uid or "")
        if kind in seen.kinds:
            continue
        seen.kinds.add(kind)
        label = f"{modality} · {_class_name(first.sop_class_uid)}"
        yield Progress(f"Fetching one instance: {label} …")
        yield _sample(source, study, filed, uid, first, profile, label)


def _first_instance(source: DicomOperator, filed: Filed, query: Query) -> InstanceResult:
    for instance in source.find_instances(query, limit=None if filed.shared else 1):
        if instance.sop_instance_uid and filed.may_be_own(instance.patient_id):
            return instance
    raise PermanentDicomError(
        f"{source.server.name} does not name the instances of a series, so none can be asked for."
    )


def _sample(
    source: DicomOperator,
    study: StudyToSample,
    filed: Filed,
    series_uid: str,
    first: InstanceResult,
    profile: Profile,
    label: str,
) -> Sample:
    name = source.server.name
    try:
        instance = fetch_one(
            source,
            study.patient_id,
            study.study_instance_uid,
            series_uid,
            first.sop_instance_uid or "",
            shared=filed.shared,
        )
        found = preview(profile, study.assignment, instance.open(), instance.transfer_syntax_uid)
    except (DicomError, DeidentificationError) as err:
        return Sample(label, name, error=str(err))
    return Sample(label, name, shown(found))


def _class_name(uid: str | None) -> str:
    name = UID(uid or "").name
    return name.removesuffix(" Storage") or "unknown class"
