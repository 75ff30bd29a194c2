"""Redirections of DICOMweb servers: within a server they are followed, and nowhere else."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest

from adit.core.dicom import DicomError, DicomOperator, PermanentDicomError, Query, TlsConfig
from adit.core.dicom.tests.certificates import Authority
from adit.core.dicom.tests.fetching import SERIES, STUDY
from adit.core.dicom.tests.tls_front import TlsFront
from adit.core.dicom.tests.web_server import redirect, respond, web_server

pytestmark = pytest.mark.integration
QUERY = Query(patient_name="Doe^Jane", study_instance_uid=STUDY)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@contextlib.contextmanager
def over_tls(authority, config):
    """The same server behind HTTPS."""
    port = int(config.dicomweb_root_url.rpartition(":")[2].partition("/")[0])
    front = TlsFront(authority.sign(f"front{port}"), port)
    yield dataclasses.replace(
        config,
        dicomweb_root_url=f"https://127.0.0.1:{front.port}/dicom-web",
        tls=TlsConfig(ca_file=authority.certificate),
    )
    front.close()


@contextlib.contextmanager
def redirecting(to, status=302):
    """A server that redirects all requests to `to`, followed by their own path."""

    def answer(sock, head, _body):
        redirect(sock, status, to + head.split(b" ")[1].decode())

    with web_server(answer) as config:
        yield config


def listening(heads):
    """A server that writes down what it is asked."""

    def answer(sock, head, _body):
        heads.append(head)
        respond(sock, 200, b"[]")

    return web_server(answer)


def origin(config):
    return config.dicomweb_root_url.removesuffix("/dicom-web")


def refused(config, act):
    with DicomOperator(config) as operator, pytest.raises(PermanentDicomError) as caught:
        act(operator)
    assert "Jane" not in str(caught.value) and STUDY not in str(caught.value)
    return str(caught.value)


def search(operator):
    return list(operator.find_studies(QUERY))


def retrieve(operator):
    return list(operator.fetch(patient_id="P1", study_instance_uid=STUDY, series={SERIES: None}))


@pytest.mark.parametrize("act", [search, retrieve])
@pytest.mark.parametrize("status", [302, 307])
def test_nothing_is_sent_on_out_of_tls(authority, act, status):
    heads = []
    with (
        listening(heads) as plain,
        redirecting(origin(plain), status) as config,
        over_tls(authority, config) as secure,
    ):
        said = refused(secure, act)
    assert heads == []
    assert "to an address without TLS" in said
    assert f"enter {plain.dicomweb_root_url} as the DICOMweb address" in said


@pytest.mark.parametrize("act", [search, retrieve])
def test_nothing_is_sent_on_to_another_host_or_port(act):
    heads = []
    with listening(heads) as other:
        for to in (origin(other), origin(other).replace("127.0.0.1", "localhost")):
            with redirecting(to) as config:
                said = refused(config, act)
            assert "sends the request on to another address" in said
            assert f"enter {to}/dicom-web as the DICOMweb address" in said
    assert heads == []


def test_an_address_that_has_nothing_of_the_request_is_told_without_its_path():
    def answer(sock, _head, _body):
        redirect(sock, 302, "https://login:word@sso.example:8443/Doe%5EJane?PatientName=Doe%5EJane")

    with web_server(answer) as config:
        said = refused(config, search)
    assert "enter https://sso.example:8443 as the DICOMweb address" in said


def test_a_server_may_lead_into_tls_on_its_own_host(authority):
    heads = []
    with (
        listening(heads) as config,
        over_tls(authority, config) as secure,
        redirecting(origin(secure)) as plain,
        DicomOperator(dataclasses.replace(plain, tls=secure.tls)) as operator,
    ):
        assert search(operator) == []
    assert b"authorization: bearer secret" in heads[0].lower()


def test_a_circle_of_redirections_has_an_end():
    heads = []

    def answer(sock, head, _body):
        heads.append(head)
        redirect(sock, 302, "/round")

    with (
        web_server(answer) as config,
        DicomOperator(config) as operator,
        pytest.raises(DicomError, match="from address to address"),
    ):
        operator.echo()
    assert len(heads) == 6
