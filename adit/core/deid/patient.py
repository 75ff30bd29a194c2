"""What is known about the patient and study of an object, worked out once for all its objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from .charset import Charset, charset
from .cleaning import Cleaner
from .dates import (
    AGE_OF_THE_OLDEST,
    OLDEST_TOLD_AGE,
    age_between,
    age_in_agreement,
    parse_date,
    years_of,
)
from .errors import TooManyIdentifiers
from .folding import words
from .identifying import LEARNT, SPECIFIC_CHARACTER_SET, Identity, Learnt
from .invented import InventedNames
from .mapping import KeyedMapping
from .name_parts import name_words
from .ordinary_words import is_ordinary
from .profile import Assignment, Option, Profile

STUDY_DATE, STUDY_TIME = 0x00080020, 0x00080030
PATIENT_NAME, PATIENT_ID, PATIENT_BIRTH_DATE = 0x00100010, 0x00100020, 0x00100030
PATIENT_AGE, STUDY_INSTANCE_UID = 0x00101010, 0x0020000D

MOST_WORDS = 2000
"""Of names, ids and addresses in one object; a report has some dozens."""

_DATES_OF_THE_STUDY = (
    STUDY_DATE,
    0x00080021,  # SeriesDate
    0x00080022,  # AcquisitionDate
    0x00080023,  # ContentDate
)
IDENTIFYING_TAGS = frozenset(
    {
        SPECIFIC_CHARACTER_SET,
        *LEARNT,
        PATIENT_BIRTH_DATE,
        PATIENT_AGE,
        *_DATES_OF_THE_STUDY,
        STUDY_TIME,
    }
)
"""Top-level elements that make up a `PatientContext`; equal values may share one."""


@dataclass(slots=True)
class PatientContext:
    """Replacements for the objects of one patient and study."""

    profile: Profile
    assignment: Assignment
    mapping: KeyedMapping
    source_charset: Charset
    charset: Charset  # of what is written; differs from the source's if that lacks characters
    offset: timedelta
    cleaner: Cleaner
    invented: InventedNames
    written: str  # beside the object's own text: pseudonym, trial and values of own rules
    age: str  # PatientAge in agreement with the shifted dates, empty if it stays
    over_89: bool  # on the day of the study
    known_younger: bool  # an age, or a birth date and a day of the study, tell it
    memo: dict[bytes, dict[tuple[object, bytes, bytes], bytes]] = field(default_factory=dict)
    insertions: dict[tuple[object, ...], tuple[tuple[int, bytes], ...]] = field(
        default_factory=dict
    )

    @property
    def transcoded(self) -> bool:
        """Whether all text is written in UTF-8, since the declared set lacks characters."""
        return self.charset is not self.source_charset


def patient_context(
    profile: Profile,
    assignment: Assignment,
    mapping: KeyedMapping,
    values: dict[int, bytes],
    inside: tuple[Learnt, ...] = (),
) -> PatientContext:
    """Works out the context from the raw values of `IDENTIFYING_TAGS` and StudyInstanceUID.

    `inside` are the values of `learnt_inside`, which the cleaner has to know too, as it has to know
    whom the source says that the patient is.
    """
    source_charset = charset(values.get(SPECIFIC_CHARACTER_SET, b"").strip(b" \0"))

    def text(tag: int) -> str:
        return source_charset.decode(values.get(tag, b"")).strip(" \0")

    identity = Identity()
    identity.learn(values.items(), source_charset)
    identity.learn_inside(inside, source_charset)
    source = assignment.patient
    identity.learn_texts([source.name], [*source.patient_ids, source.accession_number])
    count = identity.count()
    if count > MOST_WORDS:
        raise TooManyIdentifiers(count, MOST_WORDS)
    if Option.RETAIN_INSTITUTION_IDENTITY in profile.options:
        identity.institutions.clear()
    birth = parse_date(text(PATIENT_BIRTH_DATE))
    told = parse_date(source.birth_date)
    # As the study is filed: headers keep the ids from before a patient was merged or renamed.
    told_ids = (patient_id.strip(" \0") for patient_id in source.patient_ids)
    patient_key = next(filter(None, told_ids), "") or text(PATIENT_ID)
    if not patient_key:  # without an id the name and birth date, without these the study
        patient_key = "\0".join(("", text(PATIENT_NAME), text(PATIENT_BIRTH_DATE))).rstrip("\0")
        patient_key = patient_key or "\0\0" + text(STUDY_INSTANCE_UID)
    offset = timedelta()
    age = ""
    if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES in profile.options:
        offset = mapping.date_offset(patient_key, profile.whole_weeks)
        day = parse_date(text(STUDY_DATE))
        if birth and day:
            age = age_in_agreement(text(PATIENT_AGE), birth, day, offset)
    days = [day for tag in _DATES_OF_THE_STUDY if (day := parse_date(text(tag)))]
    ages = [age_between(birth, day, "Y") for day in days] if birth else []
    years = max([years_of(text(PATIENT_AGE)), *(years for years in ages if years is not None)])
    over_89 = years > OLDEST_TOLD_AGE
    known_younger = 0 <= years <= OLDEST_TOLD_AGE
    if over_89:
        age = AGE_OF_THE_OLDEST
    written = assignment.pseudonym + assignment.trial_protocol_id + assignment.trial_protocol_name
    written += "".join(rule.value for rule in profile.own_rules)
    target_charset = source_charset
    if not source_charset.can_encode(written):
        target_charset = charset(b"ISO_IR 192")
    return PatientContext(
        profile=profile,
        assignment=assignment,
        mapping=mapping,
        source_charset=source_charset,
        charset=target_charset,
        offset=offset,
        cleaner=Cleaner(
            names=identity.names,
            identifiers=identity.identifiers,
            birth_date=birth,
            other_births=[told] if told else (),
            days_of_study=(
                () if Option.RETAIN_LONGITUDINAL_FULL_DATES in profile.options else days
            ),
            over_89=over_89,
            numbers=identity.numbers,
            addresses=identity.addresses,
            institutions=[*identity.institutions, *filter(_is_telling, identity.places)],
            devices=(() if Option.RETAIN_DEVICE_IDENTITY in profile.options else identity.devices),
            known_younger=known_younger,
        ),
        invented=InventedNames(
            mapping.digest("names", patient_key).hex(),
            set().union(*map(name_words, identity.names)),
        ),
        written=written,
        age=age,
        over_89=over_89,
        known_younger=known_younger,
    )


def _is_telling(place: str) -> bool:
    """Whether a ward or service is called by more than what it does (`Neurology`)."""
    return not all(map(is_ordinary, words(place)))
