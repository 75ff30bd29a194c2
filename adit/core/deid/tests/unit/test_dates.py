"""Dates of one patient shift together, ages agree, malformed values are no error."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adit.core.deid import Option
from adit.core.deid.dates import (
    age_between,
    age_in_agreement,
    format_date,
    parse_date,
    shift_date,
    shift_date_time,
    valid_time,
)
from adit.core.deid.tests.objects import ct_header, process_dataset, profile

MODIFIED = Option.RETAIN_LONGITUDINAL_MODIFIED_DATES
CHARACTERISTICS = Option.RETAIN_PATIENT_CHARACTERISTICS

offsets = st.integers(-3670, -31).map(lambda days: timedelta(days=days))
days = st.dates(date(1890, 1, 1), date(2100, 12, 31))


@given(days, offsets)
def test_a_date_moves_by_the_offset(day: date, offset: timedelta):
    assert shift_date(format_date(day), offset) == format_date(day + offset)


@given(st.datetimes(datetime(1890, 1, 1), datetime(2100, 1, 1)), offsets)
def test_a_date_time_moves_by_the_offset_and_keeps_its_time_and_zone(
    moment: datetime, offset: timedelta
):
    value = f"{moment:%Y%m%d%H%M%S.%f}+0130"

    shifted = shift_date_time(value, offset)

    assert shifted == f"{moment + offset:%Y%m%d%H%M%S.%f}+0130"


@given(days, offsets, st.sampled_from([4, 6, 8]))
def test_a_date_time_keeps_its_precision(day: date, offset: timedelta, digits: int):
    shifted = shift_date_time(format_date(day)[:digits], offset)

    assert shifted is not None and len(shifted) == digits


@given(st.text(max_size=20), offsets)
def test_any_text_is_a_date_or_none(text: str, offset: timedelta):
    shifted = shift_date(text, offset)
    shift_date_time(text, offset)
    valid_time(text)

    assert shifted is None or parse_date(shifted) is not None


@pytest.mark.parametrize("value", ["20240230", "00000000", "2024", "31.01.2024", "00010101"])
def test_what_is_no_date_or_leaves_the_calendar_is_none(value: str):
    assert shift_date(value, timedelta(days=-40)) is None


@given(days, st.integers(0, 110 * 365), offsets, st.sampled_from("DWMY"))
def test_an_age_that_was_right_stays_right(birth: date, lived: int, offset: timedelta, unit: str):
    day = birth + timedelta(days=lived)
    number = age_between(birth, day, unit)
    assert number is not None
    if number > 999:
        return

    age = age_in_agreement(f"{number:03d}{unit}", birth, day, offset)

    assert int(age[:3]) == age_between(birth + offset, day + offset, unit)
    assert abs(int(age[:3]) - number) <= 1


def test_an_age_that_was_not_right_stays():
    birth, day = date(1970, 1, 1), date(2020, 1, 1)

    assert age_in_agreement("007Y", birth, day, timedelta(days=-100)) == "007Y"


def test_all_dates_of_an_object_move_together():
    dataset = ct_header(
        StudyDate="20240131",
        SeriesDate="20240201",
        AcquisitionDateTime="20240131120000.5",
        StudyTime="120000",
        PatientBirthDate="19700312",
        PatientAge="053Y",
    )

    after, _ = process_dataset(dataset, under=profile(MODIFIED, CHARACTERISTICS))

    moved = parse_date(after.StudyDate)
    assert moved is not None
    offset = moved - date(2024, 1, 31)
    assert offset.days <= -31
    assert parse_date(after.SeriesDate) == date(2024, 2, 1) + offset
    assert parse_date(after.PatientBirthDate) == date(1970, 3, 12) + offset
    assert after.AcquisitionDateTime == f"{after.StudyDate}120000.5"
    assert after.StudyTime == "120000"
    assert after.PatientAge == "053Y"
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"


def test_the_offset_belongs_to_the_patient_not_to_the_study():
    one = ct_header(StudyDate="20240131", StudyInstanceUID="1.2.3.1", AccessionNumber="A1")
    other = ct_header(StudyDate="20240131", StudyInstanceUID="1.2.3.2", AccessionNumber="A2")
    stranger = ct_header(StudyDate="20240131", PatientID="PID-4712")

    first, second, third = (
        process_dataset(dataset, under=profile(MODIFIED))[0].StudyDate
        for dataset in (one, other, stranger)
    )

    assert first == second != third


@pytest.mark.parametrize("value", ["20249999", "garbage", "2024"])
def test_a_malformed_date_is_emptied(value: str):
    after, _ = process_dataset(ct_header(StudyDate=value), under=profile(MODIFIED))

    assert after.StudyDate == ""


def test_a_malformed_date_that_must_have_a_value_gets_a_dummy():
    after, _ = process_dataset(ct_header(FrameAcquisitionDateTime="soon"), under=profile(MODIFIED))

    assert after.FrameAcquisitionDateTime == "19000101000000"


@pytest.mark.parametrize("keyword", ["AcquisitionDateTime", "InstanceCreationDate"])
def test_a_birth_date_stays_only_beside_a_day_or_an_age(keyword: str):
    value = "20190412101112"[: 14 if keyword == "AcquisitionDateTime" else 8]
    dataset = ct_header(PatientBirthDate="19200723", StudyDate="", **{keyword: value})
    known = ct_header(PatientBirthDate="19600723", PatientAge="058Y", **{keyword: value})
    under = profile(MODIFIED, CHARACTERISTICS)

    unknown, _ = process_dataset(dataset, under=under)
    told, _ = process_dataset(known, under=under)

    assert (unknown.PatientBirthDate, bool(unknown[keyword].value)) == ("", True)
    assert told.PatientBirthDate not in ("", "19600723")
