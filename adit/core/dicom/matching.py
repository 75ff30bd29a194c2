"""Filtering answers again on our side, because some PACS ignore keys that they do not support.

Where an answer does not hold an attribute that every PACS must return (a *required* key, PS3.4
C.6.1.1 and C.6.2.1), it does not match; where a PACS may leave it out, nobody can tell, and the
answer is kept. `untold_keys` names what could not be compared, for whoever shows the list.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Literal, TypeVar

from .header import same_patient
from .query import DateRange, Query, name_pattern, time_key, uid_list
from .results import InstanceResult, PatientResult, SeriesResult, StudyResult
from .wildcards import wildcard_match

T = TypeVar("T")


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


def untold_keys(query: Query, result: PatientResult | StudyResult) -> Iterator[str]:
    """What was asked for and the server left open for a result that was kept, in words."""
    told = [
        ("birth date", query.patient_birth_date, result.patient_birth_date),
        ("sex", query.patient_sex, result.patient_sex),
    ]
    if isinstance(result, StudyResult):
        time_asked = None if query.study_time is None else time_key(query.study_time)
        told += [
            ("study ID", query.study_id.strip(" *"), result.study_id),
            ("study time", time_asked, result.study_time),
            ("modalities", query.modalities, result.modalities_in_study),
            ("description", query.study_description.strip(" *"), result.study_description),
        ]
    for words, asked, value in told:
        if asked and asked != DateRange() and not value:
            yield words


# Required keys, in words: without them nobody can tell whether an answer fits.
_REQUIRED = {
    "patient_id": "patient ID",
    "patient_name": "patient name",
    "accession_number": "accession number",
    "study_date": "study date",
    "modality": "modality",
    "series_number": "series number",
    "instance_number": "instance number",
}
_ANY = Query()


def left_out(query: Query, result: T, matches: Callable[[Query, T], bool]) -> list[str]:
    """What the server left out of a result that does not match, in words, where it is for nothing
    else that it does not; [] where it does not match anyway."""
    missing = [
        name
        for name in _REQUIRED
        if getattr(query, name) != getattr(_ANY, name) and getattr(result, name, "") is None
    ]
    if not missing:
        return []
    without = replace(query, **{name: getattr(_ANY, name) for name in missing})
    return [_REQUIRED[name] for name in missing] if matches(without, result) else []


def _patient(
    query: Query,
    patient_id: str | None,
    name: str | None,
    birth_date: date | None,
    sex: str | None,
) -> bool:
    return (
        _id(query.patient_id, patient_id)
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
    """Code strings are in capitals (PS3.5 6.2), but not every device knows."""
    if not wanted or not values:
        return True
    return not {_code(one) for one in wanted}.isdisjoint(_code(one) for one in values)


def _code(text: str) -> str:
    return text.strip().upper()


def _date(wanted: DateRange | date | None, value: date | None, *, required: bool) -> bool:
    if wanted is None or wanted == DateRange():
        return True
    if value is None:
        return not required
    return value in wanted if isinstance(wanted, DateRange) else value == wanted


def _id(pattern: str, value: str | None) -> bool:
    """PS3.4 C.2.2.2.1: with regard to case; `ABC` and `abc` may be two patients."""
    pattern = pattern.strip()
    if not pattern.strip("*"):
        return True
    return value is not None and (
        same_patient(pattern, value) or wildcard_match(pattern, value.strip(" \0"))
    )


def _text(pattern: str, value: str | None, *, required: bool) -> bool:
    pattern = pattern.strip()
    if not pattern.strip("*"):
        return True
    if value is None:
        return not required
    return _fits(pattern, value)


def _name(pattern: str, value: str | None) -> bool:
    """PS3.4 C.2.2.2.4: a name may match without regard to case, accents and script."""
    pattern = name_pattern(pattern)
    if not pattern.strip("*^"):
        return True
    if value is None:
        return False
    pattern = pattern.rstrip("^")
    groups = [group.rstrip("^ ") for group in (*value.split("="), value)]
    # Without its empty components (PS3.5 6.2.1.1) a name is the same: "Doe" is "Doe^".
    return any(_fits(pattern, group) or _fits(pattern, f"{group}^") for group in groups)


# Letters with a stroke are letters of their own, and yet one looks for Łukasz as Lukasz.
_STROKES = str.maketrans("đðħıłøŧ", "ddhilot")
_LIGATURES = str.maketrans({"æ": "ae", "œ": "oe", "þ": "th"})


def _fits(pattern: str, value: str) -> bool:
    """Whether a text fits, in any of the ways in which a PACS may have compared it."""
    if wildcard_match(_fold(pattern), _fold(value)):
        return True
    if pattern.isascii() and value.isascii():
        return False
    return wildcard_match(_fold_each(pattern), _fold_each(value))


def _fold(text: str) -> str:
    """Without case and accents, and `ß` as `ss`: what a PACS may consider to be the same."""
    text = text.strip().casefold()
    if text.isascii():
        return text
    return _without_accents(text.translate(_LIGATURES), "NFKD")


def _fold_each(text: str) -> str:
    """Likewise, but a character stays one: `ß` is what a `?` stands for."""
    return _without_accents(text.strip().lower(), "NFD")


def _without_accents(text: str, form: Literal["NFD", "NFKD"]) -> str:
    # Character by character: a long run of accents in a whole text takes quadratic time to sort.
    decomposed = "".join(unicodedata.normalize(form, character) for character in text)
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    # A syllable of Hangul is one character again.
    return unicodedata.normalize("NFC", letters).translate(_STROKES)
