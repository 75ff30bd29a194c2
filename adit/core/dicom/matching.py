"""Filtering answers again on our side, because some PACS ignore keys that they do not support.

Where an answer does not hold an attribute that every PACS must return (a *required* key, PS3.4
C.6.1.1 and C.6.2.1), it does not match; where a PACS may leave it out, nobody can tell, and the
answer is kept.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from datetime import date
from functools import lru_cache

from .query import DateRange, Query, name_pattern, uid_list
from .results import InstanceResult, PatientResult, SeriesResult, StudyResult


def patient_matches(query: Query, result: PatientResult) -> bool:
    """Whether a patient is one of those that `query` looks for."""
    return _patient(
        query,
        result.patient_id,
        result.patient_name,
        result.patient_birth_date,
        result.patient_sex,
    )


def study_matches(query: Query, result: StudyResult) -> bool:
    """Whether a study is one of those that `query` looks for."""
    return (
        _patient(
            query,
            result.patient_id,
            result.patient_name,
            result.patient_birth_date,
            result.patient_sex,
        )
        and _uid(query.study_instance_uid, result.study_instance_uid)
        and _text(query.accession_number, result.accession_number, required=True)
        and _text(query.study_id, result.study_id, required=False)
        and _date(query.study_date, result.study_date, required=True)
        and (
            # Studies without a time belong to every window, or they would be in none.
            query.study_time is None
            or result.study_time is None
            or result.study_time in query.study_time
        )
        and _any_of(query.modalities, result.modalities_in_study)
        and _text(query.study_description, result.study_description, required=False)
    )


def series_matches(query: Query, result: SeriesResult) -> bool:
    """Whether a series is one of those that `query` looks for."""
    return (
        _uid(query.study_instance_uid, result.study_instance_uid)
        and _uid(query.series_instance_uid, result.series_instance_uid)
        and _number(query.series_number, result.series_number)
        and _text(query.modality, result.modality, required=True)
        and _any_of(query.modalities, (result.modality,) if result.modality else ())
        and _text(query.series_description, result.series_description, required=False)
        and _text(query.body_part, result.body_part, required=False)
    )


def instance_matches(query: Query, result: InstanceResult) -> bool:
    """Whether an instance is one of those that `query` looks for."""
    return (
        _uid(query.study_instance_uid, result.study_instance_uid)
        and _uid(query.series_instance_uid, result.series_instance_uid)
        and _uid(query.sop_instance_uid, result.sop_instance_uid)
        and _uid(query.sop_class_uid, result.sop_class_uid)
        and _number(query.instance_number, result.instance_number)
    )


def _patient(
    query: Query,
    patient_id: str | None,
    name: str | None,
    birth_date: date | None,
    sex: str | None,
) -> bool:
    return (
        _text(query.patient_id, patient_id, required=True)
        and _name(query.patient_name, name)
        and _date(query.patient_birth_date, birth_date, required=False)
        and (not query.patient_sex or not sex or query.patient_sex.upper() == sex.upper())
    )


def _uid(wanted: str | Sequence[str], value: str | None) -> bool:
    wanted_uids = uid_list(wanted)
    # A UID that the peer did not repeat is the one that was asked for.
    return not wanted_uids or value is None or value in wanted_uids


def _number(wanted: int | None, value: int | None) -> bool:
    return wanted is None or value == wanted


def _any_of(wanted: Sequence[str], values: Collection[str]) -> bool:
    return not wanted or not values or not set(wanted).isdisjoint(values)


def _date(wanted: DateRange | date | None, value: date | None, *, required: bool) -> bool:
    if wanted is None or wanted == DateRange():
        return True
    if value is None:
        return not required
    return value in wanted if isinstance(wanted, DateRange) else value == wanted


def _text(pattern: str, value: str | None, *, required: bool) -> bool:
    pattern = pattern.strip()
    if not pattern.strip("*"):
        return True
    if value is None:
        return not required
    return _compiled(_fold(pattern)).fullmatch(_fold(value)) is not None


def _name(pattern: str, value: str | None) -> bool:
    """PS3.4 C.2.2.2.4: a name may match without regard to case, accents and script."""
    pattern = name_pattern(pattern)
    if not pattern.strip("*^"):
        return True
    if value is None:
        return False
    expression = _compiled(_fold(pattern.rstrip("^")))
    groups = [_fold(group).rstrip("^ ") for group in value.split("=")]
    return any(expression.fullmatch(group) for group in (*groups, _fold(value).rstrip("^ ")))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    special = {"*": ".*", "?": "."}
    return re.compile("".join(special.get(c) or re.escape(c) for c in pattern), re.DOTALL)


def _fold(text: str) -> str:
    """Lower case, without accents: what a PACS may consider to be the same."""
    decomposed = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))
