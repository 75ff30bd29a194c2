"""Answers to STOW-RS that refuse, contradict themselves or say nothing."""

from __future__ import annotations

import dataclasses
import json

import pytest

from adit.core.dicom import DicomOperator, FileSlice, PermanentDicomError, TransientDicomError
from adit.core.dicom.tests.samples import make_instance, make_series
from adit.core.dicom.tests.web_server import redirect, respond, web_server

pytestmark = pytest.mark.integration


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


FAILURE_REASONS = [
    (None, TransientDicomError, "failed while it processed"),
    (0, TransientDicomError, "failed while it processed"),
    (0x0107, TransientDicomError, "did not store an instance"),
    (0x0110, TransientDicomError, "failed while it processed"),
    (0x0111, PermanentDicomError, "holds one with the same UID"),
    (0x0116, TransientDicomError, "did not store an instance"),
    (0x0122, PermanentDicomError, "kind of object"),
    (0x0124, PermanentDicomError, "does not permit"),
    (0x1234, TransientDicomError, "unknown status"),
    (0xA7FF, TransientDicomError, "no space left"),
    (0xA900, PermanentDicomError, "does not fit its SOP class"),
    (0xB000, TransientDicomError, "did not store an instance"),
    (0xB006, TransientDicomError, "did not store an instance"),
    (0xB007, TransientDicomError, "did not store an instance"),
    (0xBFFF, TransientDicomError, "did not store an instance"),
    (0xC000, PermanentDicomError, "could not understand"),
    (0xC122, PermanentDicomError, "does not accept the transfer syntax"),
]


@pytest.mark.parametrize("status", [200, 202, 409])
def test_what_is_named_as_failed_is_not_stored_whatever_the_reason(status):
    instances = make_series(len(FAILURE_REASONS))
    items = [
        item(instance.sop_instance_uid, **({} if reason is None else {"failure": reason}))
        for instance, (reason, *_) in zip(instances, FAILURE_REASONS, strict=True)
    ]
    body = json.dumps({"00081198": {"vr": "SQ", "Value": items}}).encode()
    with web_server(lambda s, h, b: respond(s, status, body)) as config:
        outcomes = store(config, instances)
    for outcome, (reason, kind, says) in zip(outcomes, FAILURE_REASONS, strict=True):
        assert (outcome.accepted, outcome.warning, type(outcome.error)) == (False, "", kind)
        assert outcome.status == (reason or 0x0110)
        assert says in str(outcome.error)


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


@pytest.mark.parametrize("value", [7, True, "1.2", {"00081155": 1}, [7, None, [1]], None])
def test_a_list_that_is_none_says_nothing_of_an_instance(value):
    body = json.dumps({tag: {"vr": "SQ", "Value": value} for tag in ("00081199", "00081198")})
    with web_server(lambda s, h, b: respond(s, 200, body.encode())) as config:
        outcomes = store(config, make_series(2))
    assert [type(outcome.error) for outcome in outcomes] == [TransientDicomError] * 2
    assert "did not say what became of an instance" in str(outcomes[0].error)


def in_a_file(folder, instance, cut=0):
    """The instance in a file that is shorter than it is said to be, or gone where all is cut."""
    data = instance.read()
    path = folder / instance.sop_instance_uid
    if cut < len(data):
        path.write_bytes(data[: len(data) - cut])
    return dataclasses.replace(instance, data=FileSlice(path, 0, len(data)))


@pytest.mark.parametrize("lost", [(0,), (2,), (4,), (1, 3), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("cut", [20, 10**9], ids=["shrunk", "vanished"])
def test_an_instance_that_cannot_be_read_does_not_take_the_others_along(tmp_path, cut, lost):
    stored = set()

    def answer(sock, _head, body):
        uids = {one.sop_instance_uid for one in instances}
        stored.update(uid for uid in uids if uid.encode() in body)
        respond(sock, 200)

    instances = [
        in_a_file(tmp_path, one, cut if number in lost else 0)
        for number, one in enumerate(make_series(5))
    ]
    with web_server(answer) as config:
        outcomes = store(config, instances)
    assert [o.instance for o in outcomes] == instances
    assert [o.accepted for o in outcomes] == [number not in lost for number in range(5)]
    assert {o.instance.sop_instance_uid for o in outcomes if o.accepted} == stored
    for outcome in outcomes:
        if not outcome.accepted:
            assert isinstance(outcome.error, PermanentDicomError)
            assert outcome.error.code == "disk"


@pytest.mark.parametrize("depth", [500, 900])
def test_an_answer_that_nests_deeply_is_an_answer_that_says_nothing(depth):
    value = '{"Alphabetic":' * depth + '"x"' + "}" * depth
    item = '{"00081155":{"vr":"UI","Value":[' + value + "]}}"
    body = '{"00081199":{"vr":"SQ","Value":[' + item + "]}}"
    with web_server(lambda s, h, b: respond(s, 200, body.encode())) as config:
        (outcome,) = store(config, make_series(1))
    assert not outcome.accepted
    assert isinstance(outcome.error, TransientDicomError)


@pytest.mark.parametrize("status", [201, 204])
def test_another_success_stands_for_all_instances_too(status):
    with web_server(lambda s, h, b: respond(s, status)) as config:
        outcomes = store(config, make_series(2))
    assert [o.accepted for o in outcomes] == [True, True]


def test_a_data_set_for_each_instance_is_read_as_well():
    instances = make_series(3)
    answer = [
        {"00081199": {"vr": "SQ", "Value": [item(instances[0].sop_instance_uid)]}},
        {"00081198": {"vr": "SQ", "Value": [item(instances[1].sop_instance_uid, failure=0xA900)]}},
        {"00081199": {"vr": "SQ", "Value": [item(instances[2].sop_instance_uid)]}},
    ]
    with web_server(lambda s, h, b: respond(s, 201, json.dumps(answer).encode())) as config:
        outcomes = store(config, instances)
    assert [o.accepted for o in outcomes] == [True, False, True]
    assert outcomes[1].status == 0xA900


def test_the_reasons_in_the_body_of_a_refusal_are_read_and_what_it_calls_stored_is_not_believed():
    instances = make_series(3)
    answer = {
        "00081199": {"vr": "SQ", "Value": [item(instances[0].sop_instance_uid)]},
        "00081198": {"vr": "SQ", "Value": [item(instances[1].sop_instance_uid, failure=0xA700)]},
    }
    asked = []

    def refuse(sock, _head, body):
        asked.append(body)
        respond(sock, 400, json.dumps(answer).encode())

    with web_server(refuse) as config:
        outcomes = store(config, instances)
    assert [o.accepted for o in outcomes] == [False, False, False]
    assert outcomes[1].status == 0xA700 and "no space" in str(outcomes[1].error)
    assert len(asked) == 1
