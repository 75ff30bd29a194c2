import dataclasses
from datetime import date, time
from typing import Any

import pytest

from adit.core.dicom import (
    DateRange,
    DicomOperator,
    PermanentDicomError,
    Query,
    QueryProtocol,
    TimeRange,
    TransientDicomError,
)
from adit.core.dicom.tests.samples import make_instance, make_series
from adit.stack.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.interop]

JANE: dict[str, Any] = {
    "PatientID": "P1",
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "19700101",
}
JURGEN: dict[str, Any] = {
    "PatientID": "P2",
    "PatientName": "Müller^Jürgen",
    "PatientSex": "M",
    "PatientBirthDate": "19800202",
    "StudyInstanceUID": "1.2.3.2",
    "StudyDate": "20240301",
    "StudyTime": "235959.5",
    "StudyDescription": "Kopf, Schädel",
}


@pytest.fixture(params=list(QueryProtocol))
def operator(request, server):
    """An operator that asks the Orthanc by C-FIND, and one by QIDO-RS."""
    with DicomOperator(dataclasses.replace(server, preferred_query=request.param)) as operator:
        yield operator


@pytest.fixture
def filled(operator):
    instances = [
        *make_series(3, **JANE),
        make_instance(**JANE, Modality="SR", SeriesInstanceUID="1.2.3.1.2", SeriesNumber=2),
        make_instance(**JURGEN, SeriesInstanceUID="1.2.3.2.1", Modality="MR"),
        make_instance(
            PatientID="P3", PatientName=None, StudyInstanceUID="1.2.3.3", StudyDate=None,
            StudyTime=None, StudyDescription=None, AccessionNumber=None, PatientBirthDate=None,
            SeriesInstanceUID="1.2.3.3.1", SeriesNumber=None, SeriesDescription=None,
        ),
    ]  # fmt: skip
    assert all(outcome.accepted for outcome in operator.store(instances))
    return operator


def test_the_server_answers(operator):
    operator.echo()


def test_a_server_that_is_not_there_is_a_transient_error(server):
    with (
        DicomOperator(dataclasses.replace(server, port=free_port())) as operator,
        pytest.raises(TransientDicomError) as caught,
    ):
        operator.echo()
    assert caught.value.code == "unreachable"


def test_patients_are_found_by_a_name_as_users_write_it(filled):
    (patient,) = filled.find_patients(Query(patient_name="Doe, J"))
    assert patient.patient_id == "P1"
    assert patient.patient_birth_date == date(1970, 1, 1)


def test_umlauts_are_found_and_read(filled):
    (patient,) = filled.find_patients(Query(patient_name="Müller, Jür"))
    assert patient.patient_name == "Müller^Jürgen"


def test_each_patient_comes_once(filled):
    assert sorted(p.patient_id for p in filled.find_patients(Query())) == ["P1", "P2", "P3"]


def test_a_study_is_found_with_all_that_is_known_of_it(filled):
    (study,) = filled.find_studies(Query(patient_id="P1"))
    assert study.study_instance_uid == "1.2.3.1"
    assert study.study_date == date(2024, 2, 29)
    assert study.study_time == time(12)
    assert study.accession_number == "A1"
    assert study.study_description == "Head"
    assert study.modalities_in_study == ("CT", "SR")
    assert study.number_of_series == 2
    assert study.number_of_instances == 4


def test_a_study_without_date_time_and_description_does_no_harm(filled):
    (study,) = filled.find_studies(Query(patient_id="P3"))
    assert study.study_date is None
    assert study.study_description is None
    assert study.patient_name is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(study_date=DateRange(date(2024, 3, 1), date(2024, 3, 31))), ["1.2.3.2"]),
        (Query(study_date=date(2024, 2, 29)), ["1.2.3.1"]),
        (Query(study_date=DateRange(end=date(2024, 2, 29))), ["1.2.3.1"]),
        (Query(patient_id="P2", study_time=TimeRange(time(23, 59), time(23, 59, 59))), ["1.2.3.2"]),
        (Query(study_time=TimeRange(time(12), time(23, 59, 59))), ["1.2.3.1", "1.2.3.2"]),
        (Query(study_time=TimeRange(time(0), time(11, 59, 59))), []),
        (Query(study_time=TimeRange(time(12), time(12))), ["1.2.3.1"]),
        (Query(study_instance_uid=["1.2.3.1", "1.2.3.2", "9.9"]), ["1.2.3.1", "1.2.3.2"]),
        (Query(study_instance_uid="1.2.3.3"), ["1.2.3.3"]),
        (Query(modalities=("MR",)), ["1.2.3.2"]),
        (Query(modalities=("MR", "SR")), ["1.2.3.1", "1.2.3.2"]),
        (Query(study_description="Kopf*"), ["1.2.3.2"]),
        (Query(accession_number="A1", patient_sex="M"), ["1.2.3.2"]),
        (Query(patient_birth_date=date(1980, 2, 2)), ["1.2.3.2"]),
        (Query(patient_id="P?", patient_sex="M"), ["1.2.3.2"]),
        (Query(patient_id="nobody"), []),
    ],
)  # fmt: skip
def test_studies_are_found_by(filled, query, found):
    studies = sorted(study.study_instance_uid for study in filled.find_studies(query))
    # A study of which the server tells no date or description may be any.
    assert [uid for uid in studies if uid in found or uid != "1.2.3.3"] == found


def test_a_study_without_a_time_belongs_to_the_whole_day(filled):
    day = Query(study_time=TimeRange(time(0), time(23, 59, 59)))
    found = sorted(study.study_instance_uid for study in filled.find_studies(day))
    assert found == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]


def test_series_are_listed(filled):
    series = sorted(
        filled.find_series(Query(patient_id="P1", study_instance_uid="1.2.3.1")),
        key=lambda one: one.series_number or 0,
    )
    assert [(one.series_number, one.modality) for one in series] == [(1, "CT"), (2, "SR")]
    assert [one.number_of_instances for one in series] == [3, 1]


def test_instances_are_listed(filled):
    query = Query(study_instance_uid="1.2.3.1", series_instance_uid="1.2.3.1.1")
    instances = list(filled.find_instances(query))
    assert sorted(one.instance_number or 0 for one in instances) == [1, 2, 3]
    assert {one.sop_class_uid for one in instances} == {"1.2.840.10008.5.1.4.1.1.2"}


def test_a_limit_cuts_and_says_so(filled):
    results = filled.find_studies(Query(), limit=2)
    assert len(list(results)) == 2
    assert (results.truncated, results.truncated_by) == (True, "limit")
    everything = filled.find_studies(Query(), limit=3)
    assert len(list(everything)) == 3
    assert not everything.truncated
    assert len(list(filled.find_studies(Query()))) == 3


def test_the_number_of_results_of_the_server_cuts_and_says_so(filled, server):
    small = dataclasses.replace(server, max_search_results=1)
    with DicomOperator(small) as operator:
        results = operator.find_studies(Query())
        assert len(list(results)) == 1
        assert results.truncated_by == "server"
        # A plan needs them all.
        assert len(list(operator.find_series(Query(study_instance_uid="1.2.3.1")))) == 2


def test_a_limit_counts_after_our_own_filter(filled):
    query = Query(modalities=("MR", "US"))
    results = filled.find_studies(query, limit=1)
    assert [study.study_instance_uid for study in results] == ["1.2.3.2"]
    assert not results.truncated


def test_a_query_that_is_left_early_does_not_spoil_the_next(filled):
    stream = filled.find_studies(Query())
    next(stream)
    stream.close()
    assert len(list(filled.find_studies(Query()))) == 3


def test_many_results_come_page_by_page(operator):
    instances = [
        make_instance(
            PatientID=f"M{number % 7}", StudyInstanceUID="1.2.9", SeriesInstanceUID="1.2.9.1"
        )
        for number in range(1100)
    ]
    assert all(outcome.accepted for outcome in operator.store(instances))
    query = Query(study_instance_uid="1.2.9", series_instance_uid="1.2.9.1")
    assert len(list(operator.find_instances(query))) == 1100


RESERVED = [
    # Name, description and accession number of a study each.
    ("Van Gogh^Vincent", "CT Thorax & Abdomen", "A/1+2"),
    ("O'Neil^Ann", "CT Thorax", "ACC 7"),
    ("Smith-Jones^A", "MR (Head), left", "#5"),
    ("Doe^A%B", "x=y;z", "100%"),
]


def test_values_with_reserved_characters_are_found(operator):
    """They must be encoded in a URL, and not each server decodes them again."""
    instances = [
        make_instance(
            PatientID=f"N{number}",
            PatientName=name,
            StudyDescription=description,
            AccessionNumber=accession_number,
            StudyInstanceUID=f"3.4.{number}",
            SeriesInstanceUID=f"3.4.{number}.1",
        )
        for number, (name, description, accession_number) in enumerate(RESERVED)
    ]
    assert all(outcome.accepted for outcome in operator.store(instances))

    def found(**keys):
        return sorted(study.patient_id for study in operator.find_studies(Query(**keys)))

    for number, (name, description, accession_number) in enumerate(RESERVED):
        only = [f"N{number}"]
        assert found(patient_name=name) == only, name
        assert found(patient_name=name[:-1] + "*") == only, name
        assert found(patient_name=name.replace("^", ", ")) == only, name
        assert found(study_description=description) == only, description
        assert found(study_description="*" + description[1:]) == only, description
        assert found(accession_number=accession_number) == only, accession_number
    assert found(study_description="CT Thorax*") == ["N0", "N1"]
    assert found(patient_name="O'Neil^Bob") == []


@pytest.mark.parametrize("name", ["Müller^Jürgen", "Иванов^Иван", "Yamada^Tarou=山田^太郎"])
def test_names_of_every_script_come_back(operator, name):
    operator_outcomes = operator.store([make_instance(PatientName=name)])
    assert all(outcome.accepted for outcome in operator_outcomes)
    (patient,) = operator.find_patients(Query(patient_id="P1"))
    assert patient.patient_name == name
    (found,) = operator.find_patients(Query(patient_name=f"{name[:3]}*"))
    assert found.patient_id == "P1"


def test_only_the_patient_root_model_is_enough(filled, server):
    patient_root = dataclasses.replace(
        server, study_root_find_support=False, dicomweb_qido_support=False
    )
    with DicomOperator(patient_root) as operator:
        assert len(list(operator.find_patients(Query()))) == 3
        (study,) = operator.find_studies(Query(patient_id="P2"))
        assert study.patient_name == "Müller^Jürgen"
        query = Query(patient_id="P2", study_instance_uid=study.study_instance_uid)
        assert len(list(operator.find_series(query))) == 1


def test_patients_are_found_with_the_study_root_model_alone(filled, server):
    study_root = dataclasses.replace(
        server, patient_root_find_support=False, dicomweb_qido_support=False
    )
    with DicomOperator(study_root) as operator:
        assert sorted(p.patient_id or "" for p in operator.find_patients(Query())) == [
            "P1",
            "P2",
            "P3",
        ]


def test_a_server_without_any_query_service_is_a_permanent_error(server):
    nothing = dataclasses.replace(
        server,
        study_root_find_support=False,
        patient_root_find_support=False,
        dicomweb_qido_support=False,
    )
    with DicomOperator(nothing) as operator, pytest.raises(PermanentDicomError):
        operator.find_studies(Query())


def test_a_list_of_more_uids_than_a_request_can_hold_finds_all_of_them(filled):
    others = [f"1.2.840.113619.2.404.3.{number:038d}" for number in range(1200)]
    wanted = ["1.2.3.1", *others, "1.2.3.2", *others, "1.2.3.3"]
    results = filled.find_studies(Query(study_instance_uid=wanted))
    assert sorted(one.study_instance_uid for one in results) == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
    assert not results.truncated
