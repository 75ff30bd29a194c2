"""Lists that a server cuts without a word: a part is never taken for the whole."""

import dataclasses

import pytest

from adit.core.dicom import DicomOperator, Query, RetrieveProtocol, ServerConfig
from adit.core.dicom.tests.samples import make_instance, make_series
from adit.test_pacs import PacsDouble

pytestmark = pytest.mark.integration

STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"
COUNTS = ("NumberOfSeriesRelatedInstances", "NumberOfStudyRelatedInstances")
CAP = 3
IN_SERIES = Query(study_instance_uid=STUDY, series_instance_uid=SERIES)


@pytest.fixture
def pacs():
    """A double that gives three answers at most, says so nowhere, and counts nothing."""
    with PacsDouble("CAPPED") as double:
        double.faults.result_cap = CAP
        double.faults.ignored_keys = (*COUNTS, "NumberOfStudyRelatedSeries", "ModalitiesInStudy")
        yield double


def hold(pacs, instances):
    for instance in instances:
        pacs.archive.add_encoded(instance.read(), instance.transfer_syntax_uid)
    return instances


def config(pacs, **changes):
    known = ServerConfig(
        name="CAPPED",
        ae_title="CAPPED",
        host="127.0.0.1",
        port=pacs.port,
        study_root_find_support=True,
        study_root_get_support=True,
        max_search_results=CAP,
    )
    return dataclasses.replace(known, **changes)


@pytest.mark.parametrize(("held", "truncated"), [(2, False), (3, True), (8, True)])
def test_a_list_of_instances_as_long_as_the_limit_counts_as_cut(pacs, held, truncated):
    hold(pacs, make_series(held))
    with DicomOperator(config(pacs)) as operator:
        results = operator.find_instances(IN_SERIES)
        assert len(list(results)) == min(held, CAP)
    assert (results.truncated, results.truncated_by) == (truncated, "server" if truncated else "")


def test_a_longer_list_shows_that_there_is_no_limit_at_this_level(pacs):
    pacs.faults.result_cap = 0
    hold(pacs, make_series(8))
    with DicomOperator(config(pacs)) as operator:
        results = operator.find_instances(IN_SERIES)
        assert len(list(results)) == 8
    assert not results.truncated


def test_a_cut_list_of_series_fills_in_nothing_and_hides_no_study(pacs):
    modalities = ["CT", "CT", "CT", "SR"]
    hold(
        pacs,
        [
            make_instance(SeriesInstanceUID=f"{STUDY}.{number}", Modality=modality)
            for number, modality in enumerate(modalities)
        ],
    )
    with DicomOperator(config(pacs)) as operator:
        (study,) = operator.find_studies(Query(study_instance_uid=STUDY, modalities=("SR",)))
        assert (study.number_of_series, study.modalities_in_study) == (None, ())
        series = operator.find_series(Query(study_instance_uid=STUDY))
        assert len(list(series)) == CAP and series.truncated


def test_a_whole_series_is_fetched_although_its_list_is_cut(pacs):
    instances = hold(pacs, make_series(8))
    with DicomOperator(config(pacs)) as operator:
        list(operator.find_instances(IN_SERIES))
        got = list(
            operator.fetch(
                patient_id="P1",
                study_instance_uid=STUDY,
                series={SERIES: None},
                protocol=RetrieveProtocol.C_GET,
            )
        )
    assert {i.sop_instance_uid for i in got} == {i.sop_instance_uid for i in instances}


def test_what_a_study_lacks_is_asked_for_once(pacs):
    """Modalities and counts come from its series, and are remembered."""
    pacs.faults.result_cap = 0
    hold(pacs, make_series(2))
    with DicomOperator(config(pacs)) as operator:
        for _ in range(3):
            (study,) = operator.find_studies(Query(study_instance_uid=STUDY))
            assert (study.number_of_series, study.modalities_in_study) == (1, ("CT",))
    levels = [request.level for request in pacs.seen.requests]
    assert (levels.count("STUDY"), levels.count("SERIES")) == (3, 1)


@pytest.mark.parametrize(
    ("key", "said", "query"),
    [
        ("PatientID", "patient ID", Query(patient_id="P1")),
        ("PatientName", "patient name", Query(patient_name="D*")),
    ],
)
def test_a_server_that_leaves_out_what_was_asked_for_is_said_to_do_so(pacs, key, said, query):
    pacs.faults.ignored_keys = (key,)
    hold(pacs, make_series(2))
    with DicomOperator(config(pacs)) as operator:
        results = operator.find_studies(query)
        assert list(results) == []
    (remark,) = results.remarks.sentences()
    assert "1 answer of CAPPED may fit" in remark and said in remark
