"""Only configured senders are let in, and the administrator sees who was not."""

import socket
import struct
import time
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from adit.core.factories import DicomServerFactory
from adit.core.models import RefusedSender
from adit.core.receiver.allowlist import AllowList, AllowListMaker, BadSender, Sender
from adit.stack.ports import wait_until
from adit.test_pacs.phantoms import PATIENTS, study_instances

from ..unit.peer import association_request
from .conftest import AE_TITLE, ReceiverUnderTest, dcmtk

CT = "1.2.840.10008.5.1.4.1.1.2"

pytestmark = [pytest.mark.integration, pytest.mark.processes]


@pytest.fixture
def strict_receiver(transactional_db, tmp_path):
    """A receiver that lets in configured servers and one more."""
    receiver = ReceiverUnderTest(
        tmp_path, RECEIVER_EXTRA_SENDERS="NIGHT PACS@127.0.0.0/8", RECEIVER_MAX_ASSOCIATIONS="3"
    )
    receiver.start()
    yield receiver
    receiver.stop()


def echo(receiver: ReceiverUnderTest, title: str) -> bool:
    arguments = ("-aet", title, "-aec", AE_TITLE, "127.0.0.1", receiver.port)
    return dcmtk("echoscu", *arguments).returncode == 0


def test_a_server_is_let_in_as_soon_as_it_is_configured(strict_receiver):
    assert not echo(strict_receiver, "SOURCE")
    server = DicomServerFactory(ae_title="SOURCE", host="localhost")
    wait_until(lambda: echo(strict_receiver, "SOURCE"), "the new server is let in")
    server.is_active = False
    server.save()
    wait_until(lambda: not echo(strict_receiver, "SOURCE"), "the inactive server is kept out")


def test_a_title_from_another_address_is_refused_and_counted(strict_receiver):
    DicomServerFactory(ae_title="ELSEWHERE", host="192.0.2.7")
    time.sleep(0.1)
    for _ in range(3):
        assert not echo(strict_receiver, "ELSEWHERE")

    def counted() -> int:
        rows = RefusedSender.objects.filter(calling_ae_title="ELSEWHERE", address="127.0.0.1")
        return sum(rows.values_list("count", flat=True))

    wait_until(lambda: counted() == 3, "the refusals are counted")
    assert "ELSEWHERE" not in strict_receiver.log()


@pytest.mark.parametrize(
    ("version", "context", "rejection", "reason"),
    [
        (0, b"1.2.840.10008.3.1.1.1", (1, 2, 2), "version"),
        (2, b"1.2.840.10008.3.1.1.1", (1, 2, 2), "version"),
        (1, b"1.2.840.10008.3.1.1.2", (1, 1, 2), "context"),
        (3, b"1.2.840.10008.3.1.1.1", None, ""),
    ],
)
def test_another_protocol_is_refused(receiver, version, context, rejection, reason):
    """PS3.8 9.3.4."""
    RefusedSender.objects.all().delete()
    request = bytearray(association_request().replace(b"1.2.840.10008.3.1.1.1", context, 1))
    request[6:8] = struct.pack(">H", version)
    with socket.create_connection(("127.0.0.1", receiver.port)) as sock:
        sock.settimeout(10)
        sock.sendall(request)
        answer = sock.recv(10, socket.MSG_WAITALL)
    if rejection is None:
        assert answer[0] == 0x02
        return
    assert answer[0] == 0x03 and tuple(answer[7:10]) == rejection
    wait_until(lambda: RefusedSender.objects.filter(reason=reason).exists(), "it is shown")


def test_the_reason_says_who_was_not_recognized(strict_receiver):
    arguments = ("127.0.0.1", strict_receiver.port)
    unknown = dcmtk("echoscu", "-aet", "NOBODY", "-aec", AE_TITLE, *arguments)
    assert "Calling AE Title Not Recognized" in unknown.stdout
    wrong = dcmtk("echoscu", "-aet", "NIGHT PACS", "-aec", "OTHER", *arguments)
    assert "Called AE Title Not Recognized" in wrong.stdout


def test_further_senders_are_let_in(strict_receiver):
    assert echo(strict_receiver, "NIGHT PACS")


def test_who_is_switched_off_sends_no_more_on_an_open_association(strict_receiver, tmp_path):
    server = DicomServerFactory(ae_title="SOURCE", host="localhost")
    wait_until(lambda: echo(strict_receiver, "SOURCE"), "the new server is let in")
    ae = AE("SOURCE")
    ae.add_requested_context(CT, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", strict_receiver.port, ae_title=AE_TITLE)
    assert association.is_established
    dataset = next(study_instances(PATIENTS[0], PATIENTS[0].studies[0]))
    assert dataset.SOPClassUID == CT

    def status() -> int:
        return association.send_c_store(dataset).Status

    assert status() == 0x0000
    server.is_active = False
    server.save()
    wait_until(lambda: status() == 0x0124, "the inactive server is refused")
    association.release()
    rows = RefusedSender.objects.filter(calling_ae_title="SOURCE", reason="calling")
    wait_until(rows.exists, "the refusal is counted")


def test_a_request_that_cannot_be_read_is_counted(strict_receiver):
    with socket.create_connection(("127.0.0.1", strict_receiver.port)) as peer:
        peer.sendall(struct.pack(">BxL", 0x01, 70) + bytes(68) + b"\x10\0")
        assert peer.recv(16)[0] == 0x07
    rows = RefusedSender.objects.filter(reason="malformed", address="127.0.0.1")
    wait_until(rows.exists, "the refusal is counted")


def test_the_limit_counts_over_all_processes_and_ends_with_the_associations(strict_receiver):
    ae = AE("NIGHT PACS")
    ae.add_requested_context("1.2.840.10008.1.1")
    calls = [ae.associate("127.0.0.1", strict_receiver.port, ae_title=AE_TITLE) for _ in range(3)]
    assert all(one.is_established for one in calls)
    fourth = ae.associate("127.0.0.1", strict_receiver.port, ae_title=AE_TITLE)
    assert fourth.is_rejected
    answer: Any = fourth.acceptor.primitive
    assert (answer.result_source, answer.diagnostic) == (3, 2)
    for one in calls:
        one.release()
    wait_until(lambda: echo(strict_receiver, "NIGHT PACS"), "there is room again")


def test_the_limit_forgets_what_a_dead_acceptor_had(strict_receiver):
    ae = AE("NIGHT PACS")
    ae.add_requested_context("1.2.840.10008.1.1")
    for _ in range(3):
        assert ae.associate("127.0.0.1", strict_receiver.port, ae_title=AE_TITLE).is_established
    assert not echo(strict_receiver, "NIGHT PACS")
    for acceptor in strict_receiver.children()[1:]:
        acceptor.kill()
    wait_until(lambda: echo(strict_receiver, "NIGHT PACS"), "new acceptors serve")


def test_an_outage_of_name_resolution_keeps_the_known_addresses(db, monkeypatch):
    DicomServerFactory(ae_title="SOURCE", host="localhost")
    maker = AllowListMaker([])
    assert maker.make().allows("SOURCE", "127.0.0.1")

    def fail(*_: object, **__: object) -> None:
        raise OSError("no name server")

    monkeypatch.setattr("socket.getaddrinfo", fail)
    assert maker.make().allows("SOURCE", "127.0.0.1")


@pytest.mark.parametrize(
    ("title", "host"), [("*", "127.0.0.1"), ("PACS", "*"), ("PACS", "0.0.0.0/0")]
)
def test_a_configured_server_is_one_host(db, title: str, host: str):
    server = DicomServerFactory(ae_title=title, host=host)
    with pytest.raises(ValidationError):
        server.full_clean()
    allowed = AllowListMaker([]).make()
    assert not allowed.allows("PACS", "127.0.0.1")
    assert not allowed.knows("ANYBODY")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("10.2.0.1", False), ("junk", False)],
)
def test_networks_and_both_families_are_understood(address: str, allowed: bool):
    senders = AllowList({"PACS": frozenset({"10.1.0.0/16", "fe80::/10"})})
    assert senders.allows("PACS", address) is allowed
    assert senders.allows("PACS", "fe80::1%eth0")
    assert not senders.knows("OTHER")


@pytest.mark.parametrize("text", ["PACS", "@host", "PACS@", "A TITLE OF MANY LETTERS@host"])
def test_nonsense_in_the_list_of_further_senders_is_named(text: str):
    with pytest.raises(BadSender):
        Sender.parse(text)
