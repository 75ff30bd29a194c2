"""The names of folders, to the letter of their rule."""

import itertools
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adit.core.transfer.layout import (
    SeriesFacts,
    job_name,
    series_names,
    study_name,
    study_names,
)
from adit.core.transfer.names import own_name, safe_name


def series(uid, number="", description=""):
    return SeriesFacts(series_uid=uid, number=number, description=description)


def test_a_job_is_named_by_app_number_day_and_user():
    name = job_name("selective_transfer", 17, date(2026, 3, 9), "müller")
    assert name == "adit_selective_transfer_17_20260309_müller"


def test_a_study_is_named_by_date_time_and_sorted_modalities():
    for order in itertools.permutations(["PT", "CT", "MR"]):
        assert study_name("20250131", "093015.123456", order) == "20250131-093015-CT-MR-PT"


def test_a_study_without_date_time_and_modality_has_a_name_too():
    assert study_name("", "", [""]) == "nodate-notime"


def test_a_study_gets_a_uid_suffix_only_where_its_name_is_taken():
    names = list(itertools.islice(study_names("20250131-093015-CT", "2.25.123456789"), 3))
    assert names == [
        "20250131-093015-CT",
        "20250131-093015-CT-23456789",
        "20250131-093015-CT-23456789-2",
    ]


def test_a_series_is_named_by_number_and_description():
    assert series_names([series("1.2", "3", "T1 axial")]) == {"1.2": "3-T1 axial"}
    assert series_names([series("1.2", "3")]) == {"1.2": "3"}
    assert series_names([series("1.2")]) == {"1.2": "none"}


def test_series_with_one_number_and_two_descriptions_share_nothing():
    names = series_names([series("1.2", "3", "T1"), series("1.3", "3", "T2")])
    assert names == {"1.2": "3-T1", "1.3": "3-T2"}


def test_series_that_would_share_a_folder_get_uid_suffixes():
    names = series_names([series("2.25.11111111", "3", "T1"), series("2.25.22222222", "3", "T1")])
    assert names == {"2.25.11111111": "3-T1-11111111", "2.25.22222222": "3-T1-22222222"}


def test_series_that_differ_in_capitals_only_get_suffixes_too():
    names = series_names([series("2.25.11111111", "3", "t1"), series("2.25.22222222", "3", "T1")])
    assert len({name.casefold() for name in names.values()}) == 2


def test_series_whose_uids_end_alike_get_their_whole_uids():
    names = series_names([series("1.2.12345678", "1"), series("1.3.12345678", "1")])
    assert names == {"1.2.12345678": "1-1.2.12345678", "1.3.12345678": "1-1.3.12345678"}


facts = st.builds(
    series,
    st.from_regex(r"2\.25\.[0-9]{1,12}", fullmatch=True),
    st.sampled_from(["", "1", "2"]),
    st.sampled_from(["", "T1", "t1", "T1/2", "T1:2", "x" * 300, "..", "Schädel", "頭部"]),
)


@given(st.lists(facts, max_size=8, unique_by=lambda one: one.series_uid))
def test_no_two_series_ever_share_a_folder_and_order_does_not_matter(many):
    names = series_names(many)
    assert names == series_names(list(reversed(many)))
    assert len({name.casefold() for name in names.values()}) == len(many)
    assert all(0 < len(name.encode()) < 250 for name in names.values())


@pytest.mark.parametrize(
    ("one", "other"),
    [("A/B", "A:B"), ("A_B", "A/B"), ("1.", "1"), ("..", "..."), ("a" * 300, "a" * 299 + "b")],
)
def test_two_patients_never_share_a_folder(one, other):
    assert own_name(one) != own_name(other)


@given(st.text(max_size=300), st.text(max_size=300))
def test_own_names_tell_any_two_texts_apart(one, other):
    assert (own_name(one) == own_name(other)) == (one == other)


@pytest.mark.parametrize("text", ["PSEUDO1", "Müller", "山田", "a b"])
def test_an_ordinary_name_is_kept(text):
    assert own_name(text) == text


@pytest.mark.parametrize("text", ["CON", "con.txt", "aux .log", "LPT9", "COM¹", "CONIN$"])
def test_device_names_are_never_used(text):
    assert safe_name(text).startswith("_")


@pytest.mark.parametrize("text", ["name.", "name. .", "name "])
def test_trailing_dots_and_blanks_go(text):
    assert safe_name(text) == "name"
