"""DICOMweb servers that are slow, odd or broken, on a real socket."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import threading
import time
import zlib

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
    Query,
    TransientDicomError,
)
from adit.core.dicom.tests.fetching import SERIES, STUDY
from adit.core.dicom.tests.samples import make_instance, make_series
from adit.core.dicom.tests.web_server import redirect, respond, web_server

pytestmark = pytest.mark.integration


def multipart(*instances, end=b"\r\n--edge--\r\n"):
    parts = b"".join(
        b"\r\n--edge\r\nContent-Type: application/dicom\r\n\r\n" + i.file_meta() + i.read()
        for i in instances
    )
    return parts + end


RELATED = 'multipart/related; type="application/dicom"; boundary=edge'


def fetch(config, wanted=None):
    got = []
    with DicomOperator(config) as operator:
        try:
            for instance in operator.fetch(
                patient_id="P1", study_instance_uid=STUDY, series={SERIES: wanted}
            ):
                got.append(instance)
        except (TransientDicomError, PermanentDicomError) as error:
            return got, error
    return got, None


def test_an_answer_without_lengths_is_read_and_the_authorization_is_sent():
    instances, heads = make_series(3), []

    def answer(sock, head, _body):
        heads.append(head)
        respond(sock, 200, multipart(*instances), RELATED)

    with web_server(answer) as config:
        got, error = fetch(config)
    assert error is None
    assert [i.data for i in got] == [i.data for i in instances]
    assert b"authorization: bearer secret" in heads[0].lower()


def test_an_answer_that_breaks_off_keeps_what_came():
    instances = make_series(3)
    body = multipart(*instances)
    cut = body[: -(len(instances[2].read()) // 2)]
    with web_server(lambda s, h, b: respond(s, 200, cut, RELATED, len(body))) as config:
        got, error = fetch(config)
    assert len(got) == 2
    assert isinstance(error, TransientDicomError)


def test_an_answer_without_its_closing_boundary_is_not_complete():
    body = multipart(*make_series(2), end=b"")
    with web_server(lambda s, h, b: respond(s, 200, body, RELATED)) as config:
        got, error = fetch(config)
    assert len(got) == 1
    assert error is not None
    assert error.code == "incomplete"


def test_a_partial_answer_is_no_whole_series():
    instances = make_series(2)
    with web_server(lambda s, h, b: respond(s, 206, multipart(*instances), RELATED)) as config:
        got, error = fetch(config)
        listed = {i.sop_instance_uid for i in instances}
        assert fetch(config, listed)[1] is None  # all that were asked for by name are there
    assert [i.data for i in got] == [i.data for i in instances]
    assert isinstance(error, TransientDicomError) and error.code == "HTTP 206"


def test_a_part_whose_data_set_lacks_its_end_is_no_instance():
    instances = make_series(2)
    short = dataclasses.replace(instances[1], data=instances[1].read()[:-4])
    body = multipart(instances[0], short)
    with web_server(lambda s, h, b: respond(s, 200, body, RELATED)) as config:
        got, error = fetch(config)
    assert [i.data for i in got] == [instances[0].data]
    assert isinstance(error, TransientDicomError)
    assert "cut off" in str(error)


JUNK = b"JUNK" * 50


@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize("junk", [JUNK, b"", b"\0" * 128 + b"DICM" + JUNK], ids=["J", "none", "D"])
def test_a_part_that_is_no_dicom_file_costs_no_other(place, junk):
    instances = make_series(3)
    bodies = [instance.file_meta() + instance.read() for instance in instances]
    bodies.insert(place, junk)
    head = b"\r\n--edge\r\nContent-Type: application/dicom\r\n\r\n"
    body = b"".join(head + one for one in bodies) + b"\r\n--edge--\r\n"
    with web_server(lambda s, h, b: respond(s, 200, body, RELATED)) as config:
        got, error = fetch(config)
    assert [i.data for i in got] == [i.data for i in instances]
    assert isinstance(error, TransientDicomError) and error.code == "incomplete"
    assert "sent a part that is no DICOM file among 3 good ones" in str(error)


def test_an_instance_that_is_no_dicom_file_costs_no_other_that_is_asked_for_by_name():
    instances = make_series(5)
    wanted = {i.sop_instance_uid: i for i in instances[:3]}
    spoiled = sorted(wanted)[0]

    def answer(sock, head, _body):
        uid = head.split(b" ")[1].rpartition(b"/")[2].decode()
        single = wanted[uid]
        body = JUNK if uid == spoiled else single.file_meta() + single.read()
        respond(sock, 200, body, "application/dicom")

    with web_server(answer) as config:
        got, error = fetch(config, wanted=set(wanted))
    assert {i.sop_instance_uid for i in got} == set(wanted) - {spoiled}
    assert isinstance(error, PermanentDicomError)
    assert "sent something that is no DICOM file" in str(error)


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_compressed_answer_is_read(encoding, compress):
    instances = make_series(3)
    body = compress(multipart(*instances))
    with web_server(lambda s, h, b: respond(s, 200, body, RELATED, encoding=encoding)) as config:
        got, error = fetch(config)
    assert error is None
    assert [i.data for i in got] == [i.data for i in instances]


def test_a_compression_that_we_do_not_know_is_told():
    body = multipart(*make_series(1))
    with web_server(lambda s, h, b: respond(s, 200, body, RELATED, encoding="x-odd")) as config:
        got, error = fetch(config)
    assert (got, type(error)) == ([], PermanentDicomError)
    assert "compresses its answer in a way that we do not know" in str(error)


def test_a_single_instance_without_a_multipart_frame_is_taken():
    instance = make_instance()
    body = instance.file_meta() + instance.read()
    with web_server(lambda s, h, b: respond(s, 200, body, "application/dicom")) as config:
        got, error = fetch(config)
    assert [i.data for i in got] == [instance.data]
    assert error is None


def test_two_files_in_one_are_not_taken_for_one_instance():
    body = b"".join(i.file_meta() + i.read() for i in make_series(2))
    with web_server(lambda s, h, b: respond(s, 200, body, "application/dicom")) as config:
        got, error = fetch(config)
    assert got == []
    assert isinstance(error, TransientDicomError) and error.code == "incomplete"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, PermanentDicomError), (404, PermanentDicomError),
                         (503, TransientDicomError)]
)  # fmt: skip
def test_statuses_are_errors(status, kind):
    with web_server(lambda s, h, b: respond(s, status)) as config:
        got, error = fetch(config)
    assert got == []
    assert error is not None
    assert type(error) is kind
    assert error.code == f"HTTP {status}"


def test_html_instead_of_dicom_is_an_error():
    with web_server(lambda s, h, b: respond(s, 200, b"<html>" * 50, "text/html")) as config:
        _, error = fetch(config)
    assert isinstance(error, PermanentDicomError)


@pytest.mark.clock
def test_cancel_wakes_who_waits_for_the_head_of_an_answer():
    token = CancelToken()
    with web_server(lambda s, h, b: time.sleep(30)) as config:
        threading.Timer(0.5, token.cancel).start()
        started = time.monotonic()
        with DicomOperator(config, cancel=token) as operator, pytest.raises(Canceled):
            list(operator.find_studies(Query()))
        assert time.monotonic() - started < 5


def test_a_server_that_says_nothing_is_a_time_out():
    local = LocalConfig(network_timeout=0.5)
    with (
        web_server(lambda s, h, b: time.sleep(5)) as config,
        DicomOperator(config, local) as operator,
        pytest.raises(TransientDicomError) as caught,
    ):
        operator.echo()
    assert caught.value.code == "timeout"


def trickle(body, kind):
    """Sends a byte now and then, each in time for the socket's time-out."""

    def answer(sock, _head, _body):
        respond(sock, 200, body[:1], kind, len(body))
        with contextlib.suppress(OSError):
            for byte in body[1:]:
                time.sleep(0.1)
                sock.sendall(bytes([byte]))

    return answer


def test_an_instance_that_trickles_in_is_not_awaited_for_ever():
    body = multipart(make_instance(pixels=2000))
    with web_server(trickle(body, RELATED)) as config:
        started = time.monotonic()
        got, error = fetch(dataclasses.replace(config, network_timeout=5, progress_timeout=1))
    assert got == []
    assert isinstance(error, TransientDicomError) and error.code == "no progress"
    assert time.monotonic() - started < 10


def test_results_that_trickle_in_are_not_awaited_for_ever():
    with web_server(trickle(b"[" + b" " * 10_000 + b"]", "application/dicom+json")) as config:
        config = dataclasses.replace(config, network_timeout=1)
        started = time.monotonic()
        with DicomOperator(config) as operator, pytest.raises(TransientDicomError) as caught:
            list(operator.find_studies(Query()))
    assert caught.value.code == "no progress"
    assert time.monotonic() - started < 10


def test_a_slow_consumer_is_no_slow_server():
    """What the server had to wait for us does not count."""
    instances = make_series(4, pixels=300_000)
    with (
        web_server(lambda s, h, b: respond(s, 200, multipart(*instances), RELATED)) as config,
        DicomOperator(dataclasses.replace(config, progress_timeout=0.5)) as operator,
    ):
        stream = operator.fetch(patient_id="P1", study_instance_uid=STUDY, series={SERIES: None})
        got = []
        for instance in stream:
            time.sleep(0.4)
            got.append(instance.sop_instance_uid)
    assert got == [i.sop_instance_uid for i in instances]


def test_a_redirected_get_is_followed():
    instance = make_instance()

    def answer(sock, head, _body):
        if b"/elsewhere" in head:
            respond(sock, 200, multipart(instance), RELATED)
        else:
            redirect(sock, 302, "/elsewhere")

    with web_server(answer) as config:
        got, error = fetch(config)
    assert ([i.data for i in got], error) == ([instance.data], None)
