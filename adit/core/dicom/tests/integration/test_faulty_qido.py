"""Answers to QIDO-RS that are cut, repeated or odd."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest

from adit.core.dicom import (
    DicomOperator,
    PermanentDicomError,
    Query,
    TransientDicomError,
    searching,
)
from adit.core.dicom.tests.fetching import SERIES, STUDY
from adit.core.dicom.tests.web_server import respond, web_server

pytestmark = pytest.mark.integration


def study(uid):
    return {
        "0020000D": {"vr": "UI", "Value": [uid]},
        "00080061": {"vr": "CS", "Value": ["CT"]},
        "00201206": {"vr": "IS", "Value": [1]},
        "00201208": {"vr": "IS", "Value": ["1"]},
    }


def test_a_server_that_cuts_its_pages_in_silence_is_asked_for_the_next():
    """It gives 100 a page, whatever `limit` says, and no warning."""

    def answer(sock, head, _body):
        _, _, rest = head.partition(b"offset=")
        start = int(rest.split(b" ")[0].split(b"&")[0])
        numbers = range(start, min(start + 100, 250))
        page = [{"00080018": {"vr": "UI", "Value": [f"1.{number}"]}} for number in numbers]
        respond(sock, 200, json.dumps(page).encode())

    with web_server(answer) as config:
        config = dataclasses.replace(config, max_search_results=100)
        with DicomOperator(config) as operator:
            query = Query(study_instance_uid=STUDY, series_instance_uid=SERIES)
            results = operator.find_instances(query)
            assert len({one.sop_instance_uid for one in results}) == 250
            assert not results.truncated


def test_a_server_that_ignores_offset_does_not_repeat_itself_for_ever():
    page = json.dumps([study(f"1.{number}") for number in range(500)]).encode()
    with web_server(lambda s, h, b: respond(s, 200, page)) as config:
        config = dataclasses.replace(config, max_search_results=10_000)
        with DicomOperator(config) as operator:
            results = operator.find_studies(Query())
            assert len(list(results)) == 500
            assert results.truncated_by == "server"


def paged(total, cap, beyond=200):
    """A server that gives `cap` studies a page at most, and answers `beyond` behind the last."""

    def answer(sock, head, _body):
        start = int(head.partition(b"offset=")[2].split(b" ")[0].split(b"&")[0])
        numbers = range(start, min(start + cap, total))
        page = json.dumps([study(f"1.{number}") for number in numbers]).encode()
        respond(sock, 200 if numbers else beyond, page)

    return answer


@pytest.mark.parametrize(
    ("cap", "beyond"),
    [(10, 200), (30, 204), (50, 200), (100, 400), (128, 204), (128, 404), (200, 404), (256, 400)],
)
def test_a_page_of_any_number_may_not_be_the_last(cap, beyond):
    with web_server(paged(2 * cap, cap, beyond)) as config:
        config = dataclasses.replace(config, max_search_results=10_000)
        with DicomOperator(config) as operator:
            results = operator.find_studies(Query())
            assert len(list(results)) == 2 * cap
            assert not results.truncated


@pytest.mark.parametrize(("total", "requests"), [(0, 1), (9, 1), (129, 3), (300, 4)])
def test_the_next_page_is_asked_for_while_the_last_one_brings_more(total, requests):
    heads = []

    def answer(sock, head, body):
        heads.append(head)
        paged(total, 128)(sock, head, body)

    with web_server(answer) as config:
        config = dataclasses.replace(config, max_search_results=10_000)
        with DicomOperator(config) as operator:
            assert len(list(operator.find_studies(Query()))) == total
    assert len(heads) == requests


def test_a_server_that_ignores_offset_is_not_asked_for_each_page_twice():
    pages = []

    def answer(sock, head, _body):
        pages.append(head)
        page = [study(f"1.{number}") for number in range(40)]
        respond(sock, 200, json.dumps(page).encode())

    with web_server(answer) as config, DicomOperator(config) as operator:
        for _ in range(3):
            results = operator.find_studies(Query())
            assert (len(list(results)), results.truncated) == (40, False)
    assert len(pages) == 4


@pytest.mark.parametrize("answers", [[study("1.1")], []])
def test_a_status_may_say_that_there_is_more(answers):
    page = json.dumps(answers).encode()
    with (
        web_server(lambda s, h, b: respond(s, 206, page)) as config,
        DicomOperator(config) as operator,
    ):
        results = operator.find_studies(Query())
        assert len(list(results)) == len(answers)
        assert results.truncated_by == "server"


def test_a_server_that_ignores_offset_and_has_no_order_doubles_nothing():
    numbers = list(range(500))

    def answer(sock, _head, _body):
        random.shuffle(numbers)
        respond(sock, 200, json.dumps([study(f"1.{number}") for number in numbers]).encode())

    with web_server(answer) as config:
        config = dataclasses.replace(config, max_search_results=10_000)
        with DicomOperator(config) as operator:
            results = operator.find_studies(Query())
            assert len({one.study_instance_uid for one in results}) == results.count == 500
            assert results.truncated_by == "server"


def test_a_full_list_of_a_server_that_ignores_offset_is_whole():
    page = json.dumps([study(f"1.{number}") for number in range(100)]).encode()
    with web_server(lambda s, h, b: respond(s, 200, page)) as config:
        config = dataclasses.replace(config, max_search_results=10_000)
        with DicomOperator(config) as operator:
            results = operator.find_studies(Query())
            assert len(list(results)) == 100
            assert not results.truncated


@pytest.mark.parametrize("body", [b"", b"[]"])
def test_an_empty_list_of_results_is_empty(body):
    with web_server(lambda s, h, b: respond(s, 200, body)) as config, DicomOperator(config) as op:
        results = op.find_studies(Query())
        assert list(results) == []
        assert results.remarks.sentences() == ()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<xml/>", "with JSON"),
        (b"[" * 200_000, "with JSON"),
        (b'{"a":' * 200_000, "with JSON"),
        (b"{}", "with a list of results"),
        (b'{"error": "The index is rebuilt."}', "with a list of results"),
        (b"[1, null]", "2 answers of WEB to a query could not be read"),
    ],
)
def test_what_is_no_list_of_results_is_an_error_and_not_an_empty_list(body, says):
    with (
        web_server(lambda s, h, b: respond(s, 200, body)) as config,
        DicomOperator(config) as operator,
        pytest.raises(PermanentDicomError, match=says),
    ):
        list(operator.find_studies(Query()))


def instance(number):
    return {"00080018": {"vr": "UI", "Value": [f"{SERIES}.{number}"]}}


@pytest.mark.parametrize("odd", [7, None, [1], {}, {"00100020": {"vr": "LO", "Value": ["P1"]}}])
def test_an_element_that_cannot_be_read_is_never_left_out_of_a_list_of_instances(odd):
    page = json.dumps([instance(1), odd, instance(2)]).encode()
    with (
        web_server(lambda s, h, b: respond(s, 200, page)) as config,
        DicomOperator(config) as operator,
    ):
        query = Query(study_instance_uid=STUDY, series_instance_uid=SERIES)
        results = operator.find_instances(query)
        assert [next(results).sop_instance_uid[-1] for _ in range(2)] == ["1", "2"]
        with pytest.raises(PermanentDicomError) as caught:
            next(results)
    assert caught.value.code == "unreadable"
    assert "1 answer of WEB" in str(caught.value) and caught.value.advice


def test_a_list_of_studies_says_how_many_elements_could_not_be_read():
    page = json.dumps([study("1.1"), 7, {"0020000E": {"vr": "UI", "Value": ["1.2"]}}]).encode()
    with (
        web_server(lambda s, h, b: respond(s, 200, page)) as config,
        DicomOperator(config) as operator,
    ):
        results = operator.find_studies(Query())
        assert [one.study_instance_uid for one in results] == ["1.1"]
    assert results.remarks.sentences() == ("2 answers of WEB could not be read.",)


def test_half_a_surrogate_pair_in_a_text_can_be_written():
    page = json.dumps([{**study("1.1"), "00100020": {"vr": "LO", "Value": ["P\ud800"]}}])
    with (
        web_server(lambda s, h, b: respond(s, 200, page.encode())) as config,
        DicomOperator(config) as operator,
    ):
        (found,) = operator.find_studies(Query())
    assert (found.patient_id or "").encode() == "P\N{REPLACEMENT CHARACTER}".encode()


@pytest.mark.parametrize("level", ["series", "studies"])
def test_pages_without_end_have_an_end(level, monkeypatch):
    most = dict.fromkeys(("PATIENT", "STUDY", "SERIES", "IMAGE"), 1200)
    monkeypatch.setattr(searching, "_MOST_ANSWERS", most)

    def answer(sock, head, _body):
        start = int(head.partition(b"offset=")[2].split(b" ")[0].split(b"&")[0])
        tag = "0020000E" if level == "series" else "0020000D"
        page = [{tag: {"vr": "UI", "Value": [f"1.{start + n}"]}} for n in range(500)]
        respond(sock, 200, json.dumps(page).encode())

    with web_server(answer) as config, DicomOperator(config) as operator:
        if level == "series":
            with pytest.raises(TransientDicomError, match="left after 1200 answers"):
                list(operator.find_series(Query(study_instance_uid=STUDY)))
        else:
            results = operator.find_studies(Query(patient_id="P9"))
            assert (list(results), results.truncated_by) == ([], "limit")
            assert "left after 1200 answers" in results.remarks.sentences()[0]
