"""Elements that every de-identified object carries (PS3.15 E.1.1), and those of the trial."""

from __future__ import annotations

from anyascii import anyascii

from .actions import code_items
from .burned_in import BURNED_IN_ANNOTATION
from .charset import Charset
from .codec import Encoding, encode_element, encode_sequence
from .dates import shift_date, valid_time
from .engine import Insertion
from .patient import (
    PATIENT_ID,
    PATIENT_NAME,
    SPECIFIC_CHARACTER_SET,
    STUDY_DATE,
    STUDY_TIME,
    PatientContext,
)
from .profile import CODE_OF_BASIC_PROFILE, CODE_OF_OPTION, Option, Profile

_PATIENT_COMMENTS = 0x00104000
_TRIAL_PROTOCOL_ID, _TRIAL_PROTOCOL_NAME = 0x00120020, 0x00120021
_TRIAL_SPONSOR, _TRIAL_SITE_ID, _TRIAL_SITE_NAME = 0x00120010, 0x00120030, 0x00120031
_TRIAL_SUBJECT_ID, _TRIAL_READING_ID = 0x00120040, 0x00120042
TRIAL_TAGS = (
    _TRIAL_SPONSOR,
    _TRIAL_PROTOCOL_NAME,
    _TRIAL_SITE_ID,
    _TRIAL_SITE_NAME,
    _TRIAL_SUBJECT_ID,
    _TRIAL_READING_ID,
)
"""Attributes whose presence decides what the Clinical Trial Subject module lacks."""
_PATIENT_IDENTITY_REMOVED = 0x00120062
_DEIDENTIFICATION_METHOD = 0x00120063
_DEIDENTIFICATION_METHOD_CODES = 0x00120064
_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED = 0x00280303

REPLACED_ALWAYS = frozenset(
    {
        PATIENT_NAME,
        PATIENT_ID,
        _PATIENT_IDENTITY_REMOVED,
        _DEIDENTIFICATION_METHOD,
        _DEIDENTIFICATION_METHOD_CODES,
        _LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
    }
)


def header_insertions(
    context: PatientContext, encoding: Encoding, values: dict[int, bytes], pixels_cleaned: bool
) -> tuple[Insertion, ...]:
    """Elements to write at the top level, ascending.

    Args:
        context: Of the patient.
        encoding: Of the top level.
        values: Raw values of the source; study date and time are used.
        pixels_cleaned: Burned-in annotation was blanked; BurnedInAnnotation becomes NO. Otherwise
            nobody knows, and the attribute stays as it came.
    """
    trial = bytes(tag in values for tag in TRIAL_TAGS)
    day, time = values.get(STUDY_DATE, b""), values.get(STUDY_TIME, b"")
    key = (encoding, day, time, trial, pixels_cleaned)
    found = context.insertions.get(key)
    if found is None:
        found = _insertions(context, encoding, values, pixels_cleaned)
        context.insertions[key] = found
    return found


def _insertions(
    context: PatientContext, encoding: Encoding, values: dict[int, bytes], pixels_cleaned: bool
) -> tuple[Insertion, ...]:
    profile, assignment, encode = context.profile, context.assignment, context.charset.encode
    pseudonym = encode(assignment.pseudonym)
    leaves: list[tuple[int, bytes, bytes]] = [
        (PATIENT_NAME, b"PN", pseudonym),
        (PATIENT_ID, b"LO", pseudonym),
        (_PATIENT_IDENTITY_REMOVED, b"CS", b"YES"),
        (_DEIDENTIFICATION_METHOD, b"LO", _method(profile, context.charset)),
        (_LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, b"CS", _temporal(profile)),
    ]
    if context.transcoded:
        leaves.append((SPECIFIC_CHARACTER_SET, b"CS", context.charset.declared))
    if assignment.trial_protocol_id:
        leaves.append((_TRIAL_PROTOCOL_ID, b"LO", encode(assignment.trial_protocol_id)))
        leaves.append((_PATIENT_COMMENTS, b"LT", encode(_routing(context, values))))
        leaves += _rest_of_trial_module(context, values)
    if assignment.trial_protocol_name:
        leaves.append((_TRIAL_PROTOCOL_NAME, b"LO", encode(assignment.trial_protocol_name)))
    if pixels_cleaned:
        leaves.append((BURNED_IN_ANNOTATION, b"CS", b"NO"))
    applied = profile.options - {Option.CLEAN_PIXEL_DATA}
    if pixels_cleaned:
        applied |= {Option.CLEAN_PIXEL_DATA}
    codes = [CODE_OF_BASIC_PROFILE]
    codes += [code for option, code in CODE_OF_OPTION.items() if option in applied]
    sequence = encode_sequence(
        encoding, _DEIDENTIFICATION_METHOD_CODES, code_items(encoding, codes)
    )
    insertions = [(tag, encode_element(encoding, tag, vr, value)) for tag, vr, value in leaves]
    insertions.append((_DEIDENTIFICATION_METHOD_CODES, sequence))
    return tuple(sorted(insertions))


def _rest_of_trial_module(
    context: PatientContext, values: dict[int, bytes]
) -> list[tuple[int, bytes, bytes]]:
    """What the module must have beside the protocol's id (PS3.3 C.7.1.3), where it is absent."""
    leaves = [
        (_TRIAL_SPONSOR, b"LO", b"NOT STATED"),
        (_TRIAL_SITE_ID, b"LO", b""),
        (_TRIAL_SITE_NAME, b"LO", b""),
    ]
    if not context.assignment.trial_protocol_name:
        leaves.append((_TRIAL_PROTOCOL_NAME, b"LO", b""))
    if _TRIAL_READING_ID not in values:
        pseudonym = context.charset.encode(context.assignment.pseudonym)
        leaves.append((_TRIAL_SUBJECT_ID, b"LO", pseudonym))
    return [leaf for leaf in leaves if leaf[0] not in values]


def _method(profile: Profile, by: Charset) -> bytes:
    """Name and version of the profile; in Latin letters where the object has no others."""
    name = "".join(c if c.isprintable() and c != "\\" else "/" for c in profile.name)
    if not by.can_encode(name):
        name = anyascii(name)
    return by.encode(f"ADIT: {name}"[:55] + f" v{profile.version}")


def _temporal(profile: Profile) -> bytes:
    if Option.RETAIN_LONGITUDINAL_FULL_DATES in profile.options:
        return b"UNMODIFIED"
    if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in profile.options:
        return b"MODIFIED"
    return b"REMOVED"


def _routing(context: PatientContext, values: dict[int, bytes]) -> str:
    """Names project, subject and session for an XNAT archive, by the date that is delivered."""
    options = context.profile.options
    assignment = context.assignment
    moment = ""
    if {
        Option.RETAIN_LONGITUDINAL_FULL_DATES,
        Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,
    } & options:
        day = shift_date(values.get(STUDY_DATE, b"").decode("ascii", "replace"), context.offset)
        time = valid_time(values.get(STUDY_TIME, b"").decode("ascii", "replace"))
        clock = time.replace(":", "").partition(".")[0].ljust(6, "0") if time else ""
        moment = "-".join(part for part in (day, clock) if part)
    session = f"{assignment.pseudonym}_{moment}" if moment else assignment.pseudonym
    return (
        f"Project:{assignment.trial_protocol_id} Subject:{assignment.pseudonym} Session:{session}"
    )
