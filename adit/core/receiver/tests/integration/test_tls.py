"""TLS with senders and between receiver and worker."""

import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest

from adit.core.models import ReceivedInstance, Receiver, RefusedSender
from adit.core.receiver.client import AuthenticationError, FileTransmitClient
from adit.core.receiver.inbox import ReceiverInbox
from adit.core.receiver.server import FileTransmitServer
from adit.core.receiver.spool import Spool
from adit.core.receiver.tls import AcceptorTls, WorkerTls
from adit.stack.orthanc import OrthancServer
from adit.stack.ports import wait_until

from .certificates import Authority, Certificate
from .conftest import AE_TITLE, KEY, ReceiverUnderTest, Study, dcmtk, send
from .test_inbox import expect, take_all

pytestmark = [pytest.mark.integration, pytest.mark.processes, pytest.mark.interop]

NAME = "0123456789abcdef0123456789abcdef.dcm"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Certificate:
    return authority.sign("receiver")


@pytest.fixture(scope="module")
def peer(authority: Authority) -> Certificate:
    return authority.sign("peer")


@pytest.fixture
def secure_receiver(transactional_db, settings, tmp_path, authority, own):
    """A receiver that insists on certificates of senders, and speaks TLS with workers, too."""
    settings.FILE_TRANSMIT_KEY = KEY
    receiver = ReceiverUnderTest(
        tmp_path,
        STORE_SCP_TLS_CERTIFICATE=str(own.certificate),
        STORE_SCP_TLS_KEY=str(own.key),
        STORE_SCP_TLS_CA=str(authority.file),
        STORE_SCP_TLS_REQUIRE_CERTIFICATE="true",
        FILE_TRANSMIT_TLS_CERTIFICATE=str(own.certificate),
        FILE_TRANSMIT_TLS_KEY=str(own.key),
    )
    receiver.start()
    yield receiver
    receiver.stop()


def tls_options(authority: Authority, peer: Certificate) -> tuple[object, ...]:
    return ("+tls", peer.key, peer.certificate, "+cf", authority.file)


def test_storescu_sends_by_tls_and_a_worker_takes_it_by_tls(
    secure_receiver: ReceiverUnderTest, authority: Authority, peer: Certificate, head: Study
):
    done = send(secure_receiver, head, *map(str, tls_options(authority, peer)))
    assert done.returncode == 0, done.stdout
    assert ReceivedInstance.objects.count() == 24
    assert len(Receiver.objects.get(name=secure_receiver.name).file_transmit_fingerprint) == 64
    with expect(ReceiverInbox(shared_spool=False), head) as stream:
        assert {one.sop_instance_uid for one in take_all(stream, 24)} == head.uids
    wait_until(lambda: secure_receiver.files() == [], "the spool is empty")


def test_echoscu_verifies_by_tls_and_only_with_a_certificate(
    secure_receiver: ReceiverUnderTest, authority: Authority, peer: Certificate
):
    def echo(*options: object) -> int:
        address = ("127.0.0.1", secure_receiver.port)
        return dcmtk("echoscu", "-aec", AE_TITLE, *options, *address).returncode

    assert echo(*tls_options(authority, peer)) == 0
    assert echo("+tla", "+cf", authority.file) != 0
    assert echo() != 0


def test_a_sender_without_certificate_is_refused(
    secure_receiver: ReceiverUnderTest, authority: Authority, head: Study
):
    done = send(secure_receiver, head, "+tla", "+cf", str(authority.file))
    assert done.returncode != 0
    assert not ReceivedInstance.objects.exists()
    refused = RefusedSender.objects.filter(reason="tls")
    wait_until(refused.exists, "the refusal is counted")


def test_a_sender_without_tls_is_refused(secure_receiver: ReceiverUnderTest, head: Study):
    assert send(secure_receiver, head).returncode != 0
    assert not ReceivedInstance.objects.exists()


def test_one_who_only_connects_keeps_nobody_out(
    secure_receiver: ReceiverUnderTest, authority: Authority, peer: Certificate, head: Study
):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            address = ("127.0.0.1", secure_receiver.port)
            stack.enter_context(socket.create_connection(address))
        options = map(str, tls_options(authority, peer))
        assert send(secure_receiver, head, *options).returncode == 0


def test_orthanc_moves_by_tls(
    secure_receiver: ReceiverUnderTest,
    authority: Authority,
    peer: Certificate,
    head: Study,
    tmp_path: Path,
):
    options = {
        "DicomTlsEnabled": False,
        "DicomTlsCertificate": str(peer.certificate),
        "DicomTlsPrivateKey": str(peer.key),
        "DicomTlsTrustedCertificates": str(authority.file),
        "DicomModalities": {
            "ADIT": {
                "AET": AE_TITLE,
                "Host": "127.0.0.1",
                "Port": secure_receiver.port,
                "UseDicomTls": True,
            }
        },
    }
    with OrthancServer("SOURCE", tmp_path / "orthanc", options=options) as orthanc:
        for path in head.folder.iterdir():
            orthanc.request("POST", "/instances", path.read_bytes())
        done = dcmtk(
            "movescu", "-S", "-aet", "ADIT", "-aec", "SOURCE", "-aem", AE_TITLE,
            "127.0.0.1", orthanc.dicom_port, "-k", "QueryRetrieveLevel=STUDY",
            "-k", f"StudyInstanceUID={head.uid}",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
    assert ReceivedInstance.objects.count() == 24


@pytest.fixture
def file_server(tmp_path: Path, own: Certificate):
    spool = Spool(tmp_path / "spool")
    spool.path(NAME).write_bytes(os.urandom(3_000_000))
    tls = AcceptorTls(certificate=own.certificate, key=own.key)
    listener = socket.create_server(("127.0.0.1", 0))
    server = FileTransmitServer(spool, KEY, listener, ssl_context=tls.ssl_context())
    server.start()
    yield server, spool, tls
    server.stop()


def fetch(server: FileTransmitServer, tls: WorkerTls | None, key: str = KEY) -> bytes:
    got = bytearray()
    with FileTransmitClient("127.0.0.1", server.port, key, tls=tls) as client:
        client.fetch(NAME, got.extend)
    return bytes(got)


def test_the_fingerprint_or_the_authority_proves_the_receiver(file_server, authority: Authority):
    server, spool, tls = file_server
    content = spool.path(NAME).read_bytes()
    assert fetch(server, WorkerTls(fingerprint=tls.fingerprint())) == content
    assert fetch(server, WorkerTls(fingerprint=tls.fingerprint(), ca=authority.file)) == content


def test_another_certificate_is_not_believed(file_server, tmp_path: Path):
    server, _, _ = file_server
    with pytest.raises(AuthenticationError):
        fetch(server, WorkerTls(fingerprint="0" * 64))
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(AuthenticationError):
        fetch(server, WorkerTls(ca=Authority(other).file))


def test_tls_does_not_replace_the_key(file_server):
    server, _, tls = file_server
    with pytest.raises(AuthenticationError):
        fetch(server, WorkerTls(fingerprint=tls.fingerprint()), key="another key")


def test_a_break_within_tls_is_overcome(file_server):
    server, spool, tls = file_server
    content = os.urandom(24_000_000)
    spool.path(NAME).write_bytes(content)
    got = bytearray()

    def write(piece: bytes) -> None:
        before = len(got)
        got.extend(piece)
        if before // 6_000_000 != len(got) // 6_000_000:
            threading.Thread(target=server.close_connections).start()

    worker_tls = WorkerTls(fingerprint=tls.fingerprint())
    with FileTransmitClient("127.0.0.1", server.port, KEY, tls=worker_tls) as client:
        client.fetch(NAME, write)
    assert bytes(got) == content
