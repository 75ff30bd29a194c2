import itertools
import re
import time as clock
import unicodedata
from datetime import date, time

import pytest

from adit.core.dicom import (
    DateRange,
    InstanceResult,
    PatientResult,
    Query,
    SeriesResult,
    StudyResult,
    TimeRange,
)
from adit.core.dicom.matching import (
    instance_matches,
    patient_matches,
    series_matches,
    study_matches,
    untold_keys,
)
from adit.core.dicom.wildcards import wildcard_match


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("Doe, Jane", "Doe^Jane^Mary"),
        ("Doe^Jane", "Doe^Jane^^^"),
        ("doe*", "DOE^JANE"),
        ("Muller*", "Müller^Jürgen"),
        ("Müller, J", "Mueller^J=Müller^Jürgen"),
        ("山田*", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("Иванов*", "Иванов^Иван"),
        ("D?e^*", "Doe^Jane"),
        ("Doe^*", "Doe^"),
        ("Doe^*", "Doe"),
        ("STRASSE*", "Straße^A"),
        ("Stra?e*", "STRAẞE^A"),
        ("Stra?e^A", "Straße^A"),
        ("김^철?", "Kim^Cheolsu=金^哲洙=김^철수"),
        ("?^철수", "김^철수"),
        ("김^철?", unicodedata.normalize("NFD", "김^철수")),
        ("ガ?", "ｶﾞﾝ"),
        ("Lukasz*", "Łukasz^A"),
        ("ŁUKASZ*", "Lukasz^A"),
        ("Soren*", "Søren^B"),
        ("S?ren*", "Søren^B"),
        ("Aeroe*", "Ærøe^B"),
        ("?røe*", "Ærøe^B"),
        ("inci*", "İnci^A"),
    ],
)
def test_a_name_matches_without_regard_to_case_accents_and_script(pattern, name):
    assert patient_matches(Query(patient_name=pattern), PatientResult(patient_name=name))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("Doe^Jane", "Doe^Janet"),
        ("Doe^*", "Doering^A"),
        ("Stra?", "Straße"),
        ("김^?", "김^철수"),
        ("Doe, Jane", "Roe^Jane"),
        ("D.e*", "Doe^Jane"),
        ("Doe*", None),
    ],
)
def test_another_name_does_not_match(pattern, name):
    assert not patient_matches(Query(patient_name=pattern), PatientResult(patient_name=name))


def test_the_birth_date_is_filtered_where_the_peer_ignored_it():
    query = Query(patient_birth_date=date(1970, 1, 1))
    assert patient_matches(query, PatientResult(patient_birth_date=date(1970, 1, 1)))
    assert not patient_matches(query, PatientResult(patient_birth_date=date(1971, 1, 1)))
    assert patient_matches(query, PatientResult())


def test_study_dates_are_filtered_by_range():
    query = Query(study_date=DateRange(date(2024, 1, 1), date(2024, 12, 31)))
    assert study_matches(query, StudyResult(study_instance_uid="1", study_date=date(2024, 12, 31)))
    assert not study_matches(
        query, StudyResult(study_instance_uid="1", study_date=date(2025, 1, 1))
    )
    assert not study_matches(query, StudyResult(study_instance_uid="1"))


def test_a_study_without_a_time_is_in_every_time_window():
    query = Query(study_time=TimeRange(time(8), time(9)))
    assert study_matches(query, StudyResult(study_instance_uid="1"))
    assert not study_matches(query, StudyResult(study_instance_uid="1", study_time=time(10)))


def test_any_of_several_modalities_is_enough():
    query = Query(modalities=("CT", "PT"))
    study = StudyResult(study_instance_uid="1", modalities_in_study=("PT", "SR"))
    assert study_matches(query, study)
    assert not study_matches(Query(modalities=("MR",)), study)


@pytest.mark.parametrize(("wanted", "there"), [("CT", "ct"), ("ct", "CT"), ("CT", "CT ")])
def test_a_modality_is_a_code_whatever_its_case(wanted, there):
    study = StudyResult(study_instance_uid="1", modalities_in_study=("SR", there))
    series = SeriesResult(series_instance_uid="1", modality=there)
    assert study_matches(Query(modalities=(wanted,)), study)
    assert series_matches(Query(modalities=(wanted,)), series)
    assert series_matches(Query(modality=wanted), series)


def test_a_description_that_the_peer_left_out_is_not_held_against_the_study():
    query = Query(study_description="*head*")
    assert study_matches(query, StudyResult(study_instance_uid="1"))
    assert study_matches(query, StudyResult(study_instance_uid="1", study_description="CT Head"))
    assert not study_matches(query, StudyResult(study_instance_uid="1", study_description="Knee"))


def test_the_series_number_is_compared_as_an_integer():
    query = Query(series_number=7)
    assert series_matches(query, SeriesResult(series_instance_uid="1", series_number=7))
    assert not series_matches(query, SeriesResult(series_instance_uid="1", series_number=70))
    assert not series_matches(query, SeriesResult(series_instance_uid="1"))


def test_answers_about_another_study_are_dropped():
    query = Query(study_instance_uid="1.2", series_instance_uid=["1.2.3", "1.2.4"])
    assert series_matches(
        query, SeriesResult(series_instance_uid="1.2.4", study_instance_uid="1.2")
    )
    assert not series_matches(
        query, SeriesResult(series_instance_uid="1.2.4", study_instance_uid="9")
    )
    assert not instance_matches(
        query, InstanceResult(sop_instance_uid="1", series_instance_uid="1.2.5")
    )


@pytest.mark.clock
@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 30 + "*b", "a" * 64),
        ("*" * 60 + "b", "a" * 64),
        ("*a?" * 20 + "*b", "a" * 64),
        ("*" + "a" * 20 + "b*", "a" * 1_000_000),
        ("*\u0300*x", "a" + "\u0300\u0327" * 100_000),
    ],
)
def test_no_pattern_takes_long(pattern, text):
    query = Query(study_description=pattern, patient_name=pattern)
    started = clock.process_time()
    study = StudyResult(study_instance_uid="1", study_description=text, patient_name=text)
    assert not study_matches(query, study)
    assert not study_matches(Query(study_description=pattern), study)
    # Tried in all ways, a pattern would take years.
    assert clock.process_time() - started < 2


def test_wildcards_mean_what_they_always_meant():
    """Compared with a regular expression, which has the same meaning, for all short patterns."""
    texts = ["".join(t) for n in range(5) for t in itertools.product("ab", repeat=n)]
    for length in range(5):
        for parts in itertools.product("ab*?", repeat=length):
            special = {"*": ".*", "?": "."}
            expression = re.compile("".join(special.get(part, part) for part in parts))
            for text in texts:
                expected = expression.fullmatch(text) is not None
                assert wildcard_match("".join(parts), text) == expected, (parts, text)


@pytest.mark.parametrize(
    ("asked", "value", "matches"),
    [
        ("ABC", "ABC", True),
        ("ABC", " ABC ", True),
        ("AB*", "ABC", True),
        ("A?C", "ABC", True),
        ("ABC", "abc", False),
        ("AB*", "abc", False),
        ("123", "\uff11\uff12\uff13", False),
        ("Muller", "M\u00fcller", False),
        ("M\u00fcller", "Mu\u0308ller", True),
        ("ABC", None, False),
        ("*", None, True),
    ],
)
def test_a_patient_id_is_compared_exactly(asked, value, matches):
    assert patient_matches(Query(patient_id=asked), PatientResult(patient_id=value)) is matches


def test_what_the_server_left_open_is_named():
    query = Query(
        patient_birth_date=date(1970, 1, 1),
        patient_sex="F",
        modalities=("CT",),
        study_time=TimeRange(time(8), time(9)),
        study_description="*",
    )
    left_open = StudyResult(study_instance_uid="1")
    assert list(untold_keys(query, left_open)) == ["birth date", "sex", "study time", "modalities"]
    assert list(untold_keys(Query(), left_open)) == []
    told = StudyResult(
        study_instance_uid="1",
        patient_birth_date=date(1970, 1, 1),
        patient_sex="F",
        modalities_in_study=("CT",),
        study_time=time(0),
    )
    assert list(untold_keys(query, told)) == []
