"""DICOMweb servers that are slow, odd or broken, on a real socket."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
    Query,
    ServerConfig,
    TransientDicomError,
)
from adit.core.dicom.tests.samples import make_instance, make_series

pytestmark = pytest.mark.integration

STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"


@contextlib.contextmanager
def web_server(answer: Callable[[socket.socket, bytes, bytes], None]) -> Iterator[ServerConfig]:
    """Reads each request to its end, calls `answer(socket, head, body)` and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threading.Thread(target=handle, args=(sock,), daemon=True).start()

    def handle(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            data = b""
            while b"\r\n\r\n" not in data:
                data += sock.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            while len(body) < length:
                body += sock.recv(65536)
            answer(sock, head, body)

    threading.Thread(target=serve, daemon=True).start()
    yield ServerConfig(
        name="WEB",
        dicomweb_root_url=f"http://127.0.0.1:{listener.getsockname()[1]}/dicom-web",
        dicomweb_qido_support=True,
        dicomweb_wado_support=True,
        dicomweb_stow_support=True,
        dicomweb_authorization="Bearer secret",
    )
    listener.close()


def respond(sock, status, body=b"", content_type="application/dicom+json", length=None):
    head = (
        f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\nConnection: close\r\n\r\n"
    )
    sock.sendall(head.encode() + body)


def redirect(sock, status, location):
    head = f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n"
    sock.sendall(f"{head}Connection: close\r\n\r\n".encode())


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


def test_a_part_whose_data_set_lacks_its_end_is_no_instance():
    instances = make_series(2)
    short = dataclasses.replace(instances[1], data=instances[1].read()[:-4])
    body = multipart(instances[0], short)
    with web_server(lambda s, h, b: respond(s, 200, body, RELATED)) as config:
        got, error = fetch(config)
    assert [i.data for i in got] == [instances[0].data]
    assert isinstance(error, TransientDicomError)
    assert "cut off" in str(error)


def test_a_single_instance_without_a_multipart_frame_is_taken():
    instance = make_instance()
    body = instance.file_meta() + instance.read()
    with web_server(lambda s, h, b: respond(s, 200, body, "application/dicom")) as config:
        got, error = fetch(config)
    assert [i.data for i in got] == [instance.data]
    assert error is None


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


def store(config, instances):
    with DicomOperator(config) as operator:
        return list(operator.store(instances))


def item(uid, **reasons):
    """An item of the Referenced or the Failed SOP Sequence (PS3.18 Annex I)."""
    tags = {"warning": "00081196", "failure": "00081197"}
    return {
        "00081155": {"vr": "UI", "Value": [uid]},
        **{tags[k]: {"vr": "US", "Value": [v]} for k, v in reasons.items()},
    }


def test_each_instance_of_a_request_has_its_own_outcome():
    instances = make_series(4)
    uids = [i.sop_instance_uid for i in instances]
    answer = {
        "00081199": {"vr": "SQ", "Value": [item(uids[0]), item(uids[1], warning=0xB000)]},
        "00081198": {"vr": "SQ", "Value": [item(uids[2], failure=0xA900)]},
    }
    body = json.dumps(answer).encode()
    with web_server(lambda s, h, b: respond(s, 202, body)) as config:
        outcomes = store(config, instances)
    assert [o.accepted for o in outcomes] == [True, True, False, False]
    assert outcomes[1].warning
    assert isinstance(outcomes[2].error, PermanentDicomError)
    assert isinstance(outcomes[3].error, TransientDicomError)
    assert [o.instance for o in outcomes] == instances


def test_one_instance_that_spoils_the_request_does_not_take_the_others_along():
    instances = make_series(5)
    bad = instances[2].sop_instance_uid.encode()

    def answer(sock, _head, body):
        respond(sock, 400 if bad in body else 200)

    with web_server(answer) as config:
        outcomes = store(config, instances)
    assert [o.accepted for o in outcomes] == [True, True, False, True, True]


def test_requests_are_bounded_and_a_failure_is_one_for_each():
    sizes = []

    def answer(sock, _head, body):
        sizes.append(len(body))
        respond(sock, 503)

    with web_server(answer) as config:
        outcomes = store(config, make_series(120))
    assert len(outcomes) == 120
    assert all(isinstance(o.error, TransientDicomError) for o in outcomes)
    assert len(sizes) == 3


XML = """<?xml version="1.0"?>
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
<DicomAttribute tag="0008{sequence}" vr="SQ"><Item number="1">
<DicomAttribute tag="00081155" vr="UI"><Value number="1">{uid}</Value></DicomAttribute>
<DicomAttribute tag="0008{reason}" vr="US"><Value number="1">{value}</Value></DicomAttribute>
</Item></DicomAttribute></NativeDicomModel>"""


def store_one(status, body, content_type="application/dicom+json"):
    """The outcome of an instance when the server answers so; `body` is made of its UID."""
    instance = make_instance()
    content = body(instance.sop_instance_uid)
    with web_server(lambda s, h, b: respond(s, status, content, content_type)) as config:
        (outcome,) = store(config, [instance])
    return outcome


def test_a_refusal_that_is_said_in_xml_is_a_refusal():
    outcome = store_one(
        200,
        lambda uid: XML.format(sequence="1198", uid=uid, reason="1197", value=0xA700).encode(),
        "application/dicom+xml",
    )
    assert not outcome.accepted
    assert outcome.status == 0xA700


def test_what_is_named_as_stored_in_xml_is_stored():
    outcome = store_one(
        200,
        lambda uid: XML.format(sequence="1199", uid=uid, reason="1196", value=0xB000).encode(),
        "application/dicom+xml",
    )
    assert outcome.accepted
    assert outcome.warning


def test_an_instance_that_is_named_as_stored_and_as_failed_is_not_stored():
    outcome = store_one(
        202,
        lambda uid: json.dumps(
            {
                "00081199": {"vr": "SQ", "Value": [item(uid)]},
                "00081198": {"vr": "SQ", "Value": [item(uid, failure=0xA700)]},
            }
        ).encode(),
    )
    assert not outcome.accepted


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[{}]", b'{"00081198": {"vr"', b"[" * 100_000, b"<html>log in</html>",
     b'<?xml version="1.0" encoding="none"?><a/>', b"stored"],
)  # fmt: skip
def test_an_answer_that_does_not_name_the_instance_is_no_success(body):
    outcome = store_one(200, lambda uid: body, "text/html")
    assert not outcome.accepted
    assert isinstance(outcome.error, TransientDicomError)


def test_success_without_a_body_stands_for_all_instances():
    assert store_one(200, lambda uid: b"").accepted


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirected_post_is_refused_in_words_and_not_sent_as_a_get(status):
    methods = []

    def answer(sock, head, _body):
        methods.append(head.partition(b" ")[0])
        redirect(sock, status, "/elsewhere") if len(methods) == 1 else respond(sock, 200)

    with web_server(answer) as config:
        (outcome,) = store(config, [make_instance()])
    assert methods == [b"POST"]
    assert isinstance(outcome.error, PermanentDicomError)
    assert "another address" in str(outcome.error)


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
