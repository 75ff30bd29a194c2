"""Keyed mappings: repeatable, apart for other secrets, and valid DICOM."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID, CTImageStorage

from adit.core.deid.mapping import KeyedMapping

SECRET = b"a secret of the test, 32 bytes!!"
uids = st.from_regex(r"1\.[23]\.(0|[1-9][0-9]{0,9})(\.(0|[1-9][0-9]{0,9})){1,4}", fullmatch=True)


@given(uids)
def test_a_mapped_uid_is_a_valid_uid_under_2_25(uid: str):
    mapped = KeyedMapping(SECRET).uid(uid)

    assert UID(mapped).is_valid
    assert mapped.startswith("2.25.")
    assert len(mapped) <= 64


@given(uids)
def test_a_uid_is_mapped_alike_by_every_mapping_with_the_same_secret(uid: str):
    assert KeyedMapping(SECRET).uid(uid) == KeyedMapping(SECRET).uid(uid)
    assert KeyedMapping(SECRET).uid(uid) != KeyedMapping(SECRET[::-1]).uid(uid)


def test_well_known_uids_and_absent_uids_stay():
    mapping = KeyedMapping(SECRET)

    assert mapping.uid(CTImageStorage) == CTImageStorage
    assert mapping.uid("") == ""


def test_a_uid_under_the_root_of_the_standard_that_it_does_not_list_is_mapped():
    mapping = KeyedMapping(SECRET)

    assert mapping.uid("1.2.840.10008.1.4.1.1") == "1.2.840.10008.1.4.1.1"  # Talairach frame
    assert mapping.uid("1.2.840.10008.4711.20240131.7").startswith("2.25.")


@given(st.text(min_size=1), st.integers(1, 16))
def test_an_identifier_has_the_asked_length_in_letters_and_digits(value: str, length: int):
    identifier = KeyedMapping(SECRET).identifier(value, length)

    assert len(identifier) == length
    assert set(identifier) <= set(string.ascii_uppercase + string.digits)


@given(st.text())
def test_date_offsets_are_never_zero_and_at_most_eleven_years(patient: str):
    days = KeyedMapping(SECRET).date_offset(patient).days

    assert -4018 < days <= -31


@given(st.text())
def test_date_offsets_in_whole_weeks_keep_the_day_of_the_week(patient: str):
    assert KeyedMapping(SECRET).date_offset(patient, whole_weeks=True).days % 7 == 0


def test_a_letter_with_an_accent_is_one_character_or_two():
    mapping = KeyedMapping(SECRET)
    composed, parted = "M\u00fcller1", "Mu\u0308ller1"

    assert mapping.identifier(composed) == mapping.identifier(parted)
    assert mapping.date_offset(composed) == mapping.date_offset(parted)
