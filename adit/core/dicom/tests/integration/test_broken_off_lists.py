"""Lists that a DICOMweb server begins and does not end: a part is never taken for the whole."""

from __future__ import annotations

import dataclasses
import json

import pytest

from adit.core.dicom import DicomOperator, Query, TransientDicomError
from adit.core.dicom.tests.fetching import SERIES, STUDY
from adit.core.dicom.tests.web_server import redirect, respond, web_server

pytestmark = pytest.mark.integration

ATTRIBUTES = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}


def offset_of(head):
    return int(head.partition(b"offset=")[2].split(b" ")[0].split(b"&")[0])


def page(level, numbers):
    complete = {"00080061": "CT", "00201206": 1, "00201208": 1} if level == "studies" else {}
    return json.dumps(
        [
            {
                tag: {"vr": "UI", "Value": [value]}
                for tag, value in {ATTRIBUTES[level]: f"1.{number}", **complete}.items()
            }
            for number in numbers
        ]
    ).encode()


def refusing(level, refuse, refused=lambda offset: offset >= 100, held=250):
    """A server that gives 100 a page, and to refused offsets what `refuse` says."""

    def answer(sock, head, _body):
        offset = offset_of(head)
        if refused(offset):
            refuse(sock)
        else:
            respond(sock, 200, page(level, range(offset, min(offset + 100, held))))

    return answer


def search(answer, level):
    query = {
        "studies": Query(),
        "series": Query(study_instance_uid=STUDY),
        "instances": Query(study_instance_uid=STUDY, series_instance_uid=SERIES),
    }[level]
    with web_server(answer) as config:
        config = dataclasses.replace(config, max_search_results=1000)
        with DicomOperator(config) as operator:
            results = getattr(operator, f"find_{level}")(query)
            return list(results), results


REFUSALS = {
    "HTTP 400": lambda sock: respond(sock, 400, b"{}"),
    "HTTP 401": lambda sock: respond(sock, 401),
    "HTTP 403": lambda sock: respond(sock, 403),
    "HTTP 404": lambda sock: respond(sock, 404),
    "HTTP 416": lambda sock: respond(sock, 416),
    "HTTP 301": lambda sock: redirect(sock, 301, "http://192.0.2.1/login"),
    "no list of results": lambda sock: respond(sock, 200, b"<html>Login</html>", "text/html"),
    "something that": lambda sock: respond(sock, 200, b'[{"0020000D":'),
}


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
@pytest.mark.parametrize("says", REFUSALS)
def test_a_page_that_fails_does_not_end_a_list_as_if_all_were_well(level, says):
    # The last result that came is refused likewise, so nothing shows that it is the last of all.
    answer = refusing(level, REFUSALS[says], refused=lambda offset: offset > 0)
    found, results = search(answer, level)
    assert (len(found), results.truncated_by) == (100, "server")
    (remark,) = results.remarks.sentences()
    assert "after 100 answers" in remark and says in remark


@pytest.mark.parametrize("status", [400, 404, 416])
def test_a_refusal_in_the_middle_is_not_the_end(status):
    answer = refusing("instances", lambda sock: respond(sock, status), lambda o: o == 100)
    found, results = search(answer, "instances")
    assert (len(found), results.truncated_by) == (100, "server")


@pytest.mark.parametrize("status", [400, 404, 416])
@pytest.mark.parametrize("held", [12, 100, 200])
def test_a_refusal_behind_the_last_result_is_the_end(status, held):
    answer = refusing("instances", lambda sock: respond(sock, status), lambda o: o >= held, held)
    found, results = search(answer, "instances")
    assert (len(found), results.truncated_by) == (held, "")
    assert results.remarks.sentences() == ()


def test_who_needs_the_whole_list_gets_an_error():
    answer = refusing("studies", lambda sock: respond(sock, 403))
    with web_server(answer) as config, DicomOperator(config) as operator:
        results = operator.find_studies(Query())
        with pytest.raises(TransientDicomError, match="HTTP 403") as caught:
            results.all_readable()
    assert caught.value.code == "list broken off"
