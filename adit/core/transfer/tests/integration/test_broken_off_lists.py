"""Sources and destinations over DICOMweb that refuse the rest of a list: no success on a part."""

import dataclasses
import json
import re

import pytest

from adit.core.dicom import DicomOperator
from adit.core.dicom.tests.samples import make_series
from adit.core.dicom.tests.web_server import respond, web_server
from adit.core.factories import DicomServerFactory
from adit.core.transfer.confirmation import Partly, QueryWay

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

STUDY = "1.2.77"


class WebPacs:
    """20 series of one instance; lists 12 of them, and refuses to list more."""

    def __init__(self, counts=None):
        self._series = {
            f"{STUDY}.{number}": make_series(
                1, StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.{number}"
            )[0]
            for number in range(1, 21)
        }
        self._counts = {} if counts is None else {"00201206": {"vr": "IS", "Value": [counts]}}

    def answer(self, sock, head, _body):
        path, _, parameters = head.split(b" ")[1].decode().partition("?")
        later = "offset=0" not in parameters and "offset" in parameters
        if path.endswith("/studies"):
            study = _item(**{"0020000D": STUDY, "00100020": "P1", "00080061": "CT"})
            found = [] if later else [study | self._counts]
        elif path.endswith("/series"):
            if later:
                respond(sock, 403)
                return
            found = [_item(**{"0020000E": uid, "00080060": "CT"}) for uid in [*self._series][:12]]
        elif path.endswith("/instances"):
            instance = self._series[path.split("/")[-2]]
            found = [] if later else [_item(**{"00080018": instance.sop_instance_uid})]
        else:
            instance = self._series[re.findall(r"series/([\d.]+)", path)[0]]
            frame = b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n"
            body = frame + instance.file_meta() + instance.read() + b"\r\n--b--\r\n"
            respond(sock, 200, body, 'multipart/related; type="application/dicom"; boundary=b')
            return
        respond(sock, 200, json.dumps(found).encode())


def _item(**values):
    return {tag: {"vr": "LO", "Value": [value]} for tag, value in values.items()}


def node(config):
    return DicomServerFactory(
        name="WEBPACS",
        dicomweb_root_url=config.dicomweb_root_url,
        dicomweb_qido_support=True,
        dicomweb_wado_support=True,
        store_scp_support=False,
        **{
            f"{root}_root_{operation}_support": False
            for root in ("patient", "study")
            for operation in ("find", "get", "move")
        },
    )


@pytest.mark.parametrize("counts", [None, 20])
def test_a_list_of_series_of_which_the_rest_is_refused_is_no_success(
    counts, destination, make_task, work, holdings
):
    with web_server(WebPacs(counts).answer) as config:
        task = make_task(
            destination, source=node(config), patient_id="P1", study_instance_uid=STUDY
        )
        result = work(task)
    assert (result.state, len(holdings())) == ("WARNING", 12), result.message
    assert ("HTTP 403" if counts is None else "counts 20 series") in result.message


def test_wanted_series_that_may_be_in_the_rest_are_not_said_to_be_missing(
    destination, make_task, work
):
    with web_server(WebPacs().answer) as config:
        result = work(
            make_task(
                destination,
                source=node(config),
                patient_id="P1",
                study_instance_uid=STUDY,
                series_instance_uids=[f"{STUDY}.20"],
            )
        )
    assert (result.state, result.retry) == ("FAILURE", True)
    assert "HTTP 403" in result.message and "not at" not in result.message


def test_a_list_that_breaks_off_proves_what_it_holds_and_nothing_of_the_rest():
    def answer(sock, head, _body):
        if b"offset=0" in head:
            found = [_item(**{"00080018": f"1.{number}"}) for number in range(20)]
            respond(sock, 200, json.dumps(found).encode())
        else:
            respond(sock, 403)

    with web_server(answer) as config:
        config = dataclasses.replace(config, max_search_results=1000)
        with DicomOperator(config) as operator, pytest.raises(Partly) as caught:
            QueryWay(operator).held(STUDY, f"{STUDY}.1", ["1.1", "1.30"])
    assert len(caught.value.found) == 20
    assert "HTTP 403" in str(caught.value.problem)
