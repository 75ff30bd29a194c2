"""Answers to QIDO-RS that are cut, repeated or odd."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest

from adit.core.dicom import DicomOperator, PermanentDicomError, Query
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


@pytest.mark.parametrize("cap", [50, 100, 200])
@pytest.mark.parametrize("beyond", [200, 204, 400, 404])
def test_a_page_of_a_round_number_may_not_be_the_last(cap, beyond):
    with web_server(paged(2 * cap, cap, beyond)) as config:
        config = dataclasses.replace(config, max_search_results=10_000)
        with DicomOperator(config) as operator:
            results = operator.find_studies(Query())
            assert len(list(results)) == 2 * cap
            assert not results.truncated


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


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"[1, null]"])
def test_an_empty_or_odd_list_of_results_is_empty(body):
    with web_server(lambda s, h, b: respond(s, 200, body)) as config, DicomOperator(config) as op:
        assert list(op.find_studies(Query())) == []


def test_results_that_are_no_json_are_an_error():
    with (
        web_server(lambda s, h, b: respond(s, 200, b"<xml/>")) as config,
        DicomOperator(config) as operator,
        pytest.raises(PermanentDicomError),
    ):
        list(operator.find_studies(Query()))
