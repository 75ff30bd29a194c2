from dataclasses import replace
from datetime import date, time

from adit.core.dicom import DateRange, Query, TimeRange
from adit.core.dicom.query import date_key, matching_keys, name_pattern, request_keys, time_key


def test_last_comma_first_becomes_a_pattern_for_both_components():
    assert name_pattern("Doe, Jane") == "Doe*^Jane*"
    assert name_pattern("Doe*, Jane*") == "Doe*^Jane*"
    assert name_pattern("Doe,") == "Doe*"
    assert name_pattern("Doe^J?ne*") == "Doe^J?ne*"
    assert name_pattern(", Jane") == "^Jane*"


def test_dates_are_single_values_ranges_or_open_ranges():
    assert date_key(date(2024, 2, 29)) == "20240229"
    assert date_key(DateRange(date(2024, 1, 1), date(2024, 2, 1))) == "20240101-20240201"
    assert date_key(DateRange(date(2024, 1, 1), date(2024, 1, 1))) == "20240101"
    assert date_key(DateRange(start=date(2024, 1, 1))) == "20240101-"
    assert date_key(DateRange(end=date(2024, 1, 1))) == "-20240101"
    assert date_key(DateRange()) == ""


def test_times_are_ranges():
    assert time_key(TimeRange(time(8), time(12, 0, 0, 500000))) == "080000-120000.500000"
    assert time_key(TimeRange(time(8), time(12))) == "080000-120000.999999"
    assert time_key(TimeRange()) == ""
    assert time_key(TimeRange(time(12), time(23, 59, 59))) == "120000-"
    assert time_key(TimeRange(time(0), time(11, 59, 59))) == "-115959.999999"


def test_the_whole_day_is_no_restriction_that_studies_without_a_time_would_fail():
    for day in (
        TimeRange(time(0), time(23, 59, 59)),
        TimeRange(time(0), time.max),
        TimeRange(end=time(23, 59, 59)),
        TimeRange(start=time(0)),
    ):
        assert "StudyTime" not in matching_keys(Query(study_time=day))


def test_noon_is_in_both_windows_that_meet_there_and_no_fraction_is_lost():
    morning, afternoon = TimeRange(time(0), time(11, 59, 59)), TimeRange(time(12), time(23, 59, 59))
    assert time(11, 59, 59, 999999) in morning
    assert time(12, 0, 0) in afternoon
    assert time(23, 59, 59, 1) in afternoon
    assert time(12, 0, 0) not in morning


def test_uid_lists_are_joined_with_backslashes():
    assert matching_keys(Query(study_instance_uid=["1.2", "1.3"]))["StudyInstanceUID"] == "1.2\\1.3"


def test_several_modalities_are_left_to_our_own_filter():
    assert matching_keys(Query(modalities=("CT",)))["ModalitiesInStudy"] == "CT"
    assert "ModalitiesInStudy" not in matching_keys(Query(modalities=("CT", "MR")))


def test_a_request_asks_for_every_attribute_of_its_level():
    keys = request_keys(Query(patient_id="P1"), "STUDY")
    assert keys["PatientID"] == "P1"
    for keyword in ("PatientName", "StudyInstanceUID", "NumberOfStudyRelatedInstances"):
        assert keys[keyword] == ""


def test_a_request_below_the_study_holds_only_unique_keys_of_the_levels_above():
    query = Query(patient_id="P1", patient_name="Doe*", study_instance_uid="1.2")
    study_root = request_keys(query, "SERIES")
    assert study_root["StudyInstanceUID"] == "1.2"
    assert "PatientName" not in study_root
    assert "PatientID" not in study_root
    assert request_keys(query, "SERIES", patient_root=True)["PatientID"] == "P1"


def test_series_number_zero_is_a_key():
    assert matching_keys(Query(series_number=0))["SeriesNumber"] == "0"


def test_only_uids_ask_for_nothing_that_needs_the_files_of_a_series():
    series = Query(patient_id="P", study_instance_uid="1.2", series_instance_uid="1.2.3")
    keys = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3", "SOPInstanceUID": ""}
    assert request_keys(replace(series, only_uids=True), "IMAGE") == keys
    more = set(request_keys(series, "IMAGE")) - set(keys)
    assert {"SOPClassUID", "AvailableTransferSyntaxUID"} <= more
    # What restricts the query stays in it.
    narrow = replace(series, only_uids=True, sop_class_uid="1.2.840")
    assert request_keys(narrow, "IMAGE") == {**keys, "SOPClassUID": "1.2.840"}
