"""Every operation over TLS, and each failure of the handshake in words."""

import contextlib
import dataclasses
import os
import socket
import ssl
import struct
import subprocess
import threading

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from adit.core.dicom import (
    DicomError,
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
    Query,
    QueryProtocol,
    RetrieveProtocol,
    ServerConfig,
    StoreProtocol,
    TlsConfig,
    TransientDicomError,
)
from adit.core.dicom.tests.certificates import Authority
from adit.core.dicom.tests.conftest import RECEIVER_AE_TITLE, config_of
from adit.core.dicom.tests.dcmtk import find_dcmtk
from adit.core.dicom.tests.samples import make_instance, make_series
from adit.core.dicom.tests.scripted_peer import scripted
from adit.core.dicom.tests.tls_front import TlsFront
from adit.stack.orthanc import Modality, OrthancServer
from adit.stack.ports import accepts_connections, free_port, wait_until
from adit.test_pacs import PacsDouble

pytestmark = [pytest.mark.integration, pytest.mark.interop]

SERIES = {"1.2.3.1.1": None}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="session")
def authority(folder):
    return Authority(folder)


@pytest.fixture(scope="session")
def own(authority):
    return authority.sign("client")


@pytest.fixture(scope="session")
def tls(authority, own):
    return TlsConfig(
        ca_file=authority.certificate, certificate_file=own.certificate, key_file=own.key
    )


@pytest.fixture(scope="session")
def secure_orthanc(folder, authority, receiver_port):
    """An Orthanc with TLS for DICOM, that requires client certificates."""
    certificate = authority.sign("orthanc")
    orthanc = OrthancServer(
        "SECURE",
        folder / "orthanc",
        modalities={"receiver": Modality(RECEIVER_AE_TITLE, receiver_port)},
        options={
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(certificate.certificate),
            "DicomTlsPrivateKey": str(certificate.key),
            "DicomTlsTrustedCertificates": str(authority.certificate),
        },
    )
    with orthanc:
        yield orthanc


@pytest.fixture(scope="session")
def front(secure_orthanc, authority):
    """HTTPS for its DICOMweb."""
    front = TlsFront(authority.sign("front"), secure_orthanc.http_port)
    yield front
    front.close()


@pytest.fixture
def secure(secure_orthanc, front, tls):
    return dataclasses.replace(
        config_of(secure_orthanc),
        tls=tls,
        dicomweb_root_url=f"https://127.0.0.1:{front.port}/dicom-web",
    )


@pytest.mark.parametrize("store", list(StoreProtocol))
def test_storing_and_asking_and_fetching_from_orthanc(secure, local, incoming, store):
    uid = f"1.2.3.77.{1 + list(StoreProtocol).index(store)}"
    instances = make_series(5, StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1")
    large = make_instance(pixels=3_000_000, StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1")
    sent = {i.sop_instance_uid: i.data for i in [*instances, large]}
    with DicomOperator(secure, local) as operator:
        operator.echo()
        outcomes = list(operator.store([*instances, large], protocol=store))
        assert [str(o.error) for o in outcomes if not o.accepted] == []
    for query in QueryProtocol:
        config = dataclasses.replace(secure, preferred_query=query)
        with DicomOperator(config, local) as operator:
            (found,) = operator.find_studies(Query(study_instance_uid=uid))
            assert found.number_of_instances == 6
    for protocol in RetrieveProtocol:
        with DicomOperator(secure, local, incoming=incoming) as operator:
            got = {
                i.sop_instance_uid: i.data
                for i in operator.fetch(
                    patient_id="P1",
                    study_instance_uid=uid,
                    series={f"{uid}.1": None},
                    protocol=protocol,
                )
            }
        assert got == sent


def test_c_move_and_commitment_are_asked_for_over_tls(
    authority, tls, local, incoming, receiver_port
):
    """The double speaks TLS with us and plain DICOM with our receiver."""
    certificate = authority.sign("double")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.verify_mode = ssl.CERT_REQUIRED
    peers = {RECEIVER_AE_TITLE: ("127.0.0.1", receiver_port)}
    with PacsDouble("DOUBLE", ssl_context=context, peers=peers) as pacs:
        config = ServerConfig(
            name="DOUBLE",
            ae_title="DOUBLE",
            host="127.0.0.1",
            port=pacs.port,
            study_root_find_support=True,
            study_root_move_support=True,
            store_scp_support=True,
            storage_commitment_support=True,
            tls=tls,
        )
        instances = make_series(5)
        with DicomOperator(config, local, incoming=incoming) as operator:
            assert all(o.accepted for o in operator.store(instances))
            got = list(operator.fetch(patient_id="P1", study_instance_uid="1.2.3.1", series=SERIES))
            result = operator.commit([(i.sop_class_uid, i.sop_instance_uid) for i in instances])
    assert {i.sop_instance_uid for i in got} == {i.sop_instance_uid for i in instances}
    assert result.complete


@pytest.fixture
def storescp(authority, tmp_path):
    """Starts DCMTK's storescp with a certificate of its own."""
    processes = []

    def start(certificate, *options):
        port = free_port()
        arrived = tmp_path / f"in{len(processes)}"
        arrived.mkdir()
        program = find_dcmtk("storescp")
        assert program, "DCMTK is missing: apt-get install dcmtk"
        arguments = ["+tls", certificate.key, certificate.certificate, *options]
        command = [program, *map(str, arguments), "-od", str(arrived), str(port)]
        processes.append(subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"}))
        wait_until(lambda: accepts_connections(port), "storescp")
        config = ServerConfig(
            name="STORE", ae_title="STORE", host="127.0.0.1", port=port, store_scp_support=True
        )
        return config, arrived

    yield start
    for process in processes:
        process.terminate()
        process.wait(20)


def test_dcmtk_asks_for_our_certificate_and_gets_it(storescp, authority, tls):
    config, arrived = storescp(authority.sign("storescp"), "+cf", authority.certificate, "-rc")
    with DicomOperator(dataclasses.replace(config, tls=tls)) as operator:
        operator.echo()
        assert all(o.accepted for o in operator.store(make_series(40)))
    assert len(list(arrived.iterdir())) == 40


def failure(config, tls):
    """What an echo ends with."""
    local = LocalConfig(connect_timeout=5, acse_timeout=5, network_timeout=5)
    config = dataclasses.replace(config, tls=tls)
    with DicomOperator(config, local) as operator, pytest.raises(DicomError) as caught:
        operator.echo()
    return caught.value


def test_an_unknown_authority(storescp, authority, folder):
    config, _ = storescp(authority.sign("storescp"), "-ic")
    other = Authority(folder, "other")
    error = failure(config, TlsConfig(ca_file=other.certificate))
    assert isinstance(error, PermanentDicomError)
    assert "The certificate of STORE is not signed by an authority that we trust" in str(error)


def test_a_certificate_of_another_host(storescp, authority):
    config, _ = storescp(authority.sign("elsewhere", host="pacs.example.org"), "-ic")
    error = failure(config, TlsConfig(ca_file=authority.certificate))
    assert isinstance(error, PermanentDicomError)
    assert "is for another host than 127.0.0.1" in str(error)
    unchecked = TlsConfig(ca_file=authority.certificate, check_hostname=False)
    with DicomOperator(dataclasses.replace(config, tls=unchecked)) as operator:
        operator.echo()


def test_a_certificate_that_has_expired(storescp, authority):
    config, _ = storescp(authority.sign("expired", days=-1), "-ic")
    error = failure(config, TlsConfig(ca_file=authority.certificate))
    assert isinstance(error, PermanentDicomError)
    assert "The certificate of STORE has expired" in str(error)


def test_a_certificate_for_clients_only(storescp, authority):
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH
    config, _ = storescp(authority.sign("client-only", purpose=purpose), "-ic")
    error = failure(config, TlsConfig(ca_file=authority.certificate))
    assert isinstance(error, PermanentDicomError)
    assert "The certificate of STORE is not for servers, by its purpose" in str(error)
    assert "serverAuth" in error.advice


def test_a_server_that_wants_a_certificate_of_ours(storescp, authority, folder):
    config, _ = storescp(authority.sign("storescp"), "+cf", authority.certificate, "-rc")
    error = failure(config, TlsConfig(ca_file=authority.certificate))
    assert "certificate" in str(error), error
    stranger = Authority(folder, "stranger").sign("client")
    error = failure(
        config,
        TlsConfig(
            ca_file=authority.certificate,
            certificate_file=stranger.certificate,
            key_file=stranger.key,
        ),
    )
    assert "certificate" in str(error), error


def test_a_connection_that_is_reset_behind_the_handshake(authority):
    """The alert of a peer that does not take our certificate can get lost so."""
    certificate = authority.sign("resetting")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)

    def reset_each():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                with context.wrap_socket(sock, server_side=True) as secured:
                    linger = struct.pack("ii", 1, 0)
                    secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=reset_each)
        thread.start()
        port = listener.getsockname()[1]
        config = ServerConfig(name="RESET", ae_title="RESET", host="127.0.0.1", port=port)
        error = failure(config, TlsConfig(ca_file=authority.certificate))
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert isinstance(error, TransientDicomError)
    assert "right after the TLS handshake" in str(error)
    assert "certificate" in error.advice


def test_a_server_without_tls():
    with PacsDouble("PLAIN") as pacs:
        config = ServerConfig(name="PLAIN", ae_title="PLAIN", host="127.0.0.1", port=pacs.port)
        error = failure(config, TlsConfig())
    assert isinstance(error, (PermanentDicomError, TransientDicomError))
    assert "TLS" in error.advice, error


def test_a_server_that_is_silent_in_the_handshake_or_ends_it():
    done = threading.Event()

    def end(peer):
        peer.socket.recv(1)

    def be_silent(_peer):
        done.wait(60)

    for script, words in (
        (end, "closed the connection during the TLS handshake"),
        (be_silent, "did not answer the TLS handshake in time"),
    ):
        with scripted(script) as peer:
            error = failure(peer.config(connect_timeout=0.5), TlsConfig())
        assert isinstance(error, TransientDicomError)
        assert words in str(error)
        assert "whether TLS is on there" in error.advice
    done.set()


def test_a_server_with_tls_that_is_called_without(storescp, authority):
    config, _ = storescp(authority.sign("storescp"), "-ic")
    error = failure(config, None)
    assert isinstance(error, DicomError)
    assert "TLS" in error.advice, error


def test_a_server_that_answers_with_an_alert_of_tls():
    alert = b"\x15\x03\x01\x00\x02\x02\x28"

    def script(peer):
        peer.reader.read()
        peer.socket.sendall(alert)

    with scripted(script) as peer:
        error = failure(peer.config(), None)
    assert isinstance(error, PermanentDicomError)
    assert "expects TLS" in str(error)


@pytest.mark.parametrize("name", ["ca_file", "certificate_file"])
@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_file_that_is_missing_or_no_certificate(tmp_path, name, content):
    path = tmp_path / "file.pem"
    if content:
        path.write_text(content)
    config = ServerConfig(name="PACS", ae_title="PACS", host="127.0.0.1", port=free_port())
    error = failure(config, TlsConfig(**{name: path}))
    assert isinstance(error, PermanentDicomError)
    assert "our own certificate files cannot be read" in str(error)
    web = dataclasses.replace(
        config, host="", dicomweb_root_url="https://127.0.0.1:1/", dicomweb_qido_support=True
    )
    assert "our own certificate files cannot be read" in str(
        failure(web, TlsConfig(**{name: path}))
    )


def test_dicomweb_says_the_same(secure, front, folder):
    web = dataclasses.replace(secure, host="", port=0)
    other = TlsConfig(ca_file=Authority(folder, "third").certificate)
    assert "is not signed by an authority that we trust" in str(failure(web, other))
    plain = dataclasses.replace(web, dicomweb_root_url=f"http://127.0.0.1:{front.port}/dicom-web")
    error = failure(plain, None)
    assert isinstance(error, DicomError)
    assert "TLS" in error.advice, error


def test_a_key_that_is_not_that_of_the_certificate(authority, own):
    other = authority.sign("another client")
    tls = TlsConfig(certificate_file=own.certificate, key_file=other.key)
    config = ServerConfig(name="PACS", ae_title="PACS", host="127.0.0.1", port=free_port())
    web = dataclasses.replace(
        config, host="", dicomweb_root_url="https://127.0.0.1:1/", dicomweb_qido_support=True
    )
    for error in (failure(config, tls), failure(web, tls)):
        assert isinstance(error, PermanentDicomError)
        assert "the key that is set is not that of our client certificate" in str(error)
        assert "paths" not in error.advice
