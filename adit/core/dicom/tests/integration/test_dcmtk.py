"""DCMTK's storescp and dcmqrscp as peers, plain and with TLS."""

import dataclasses
from io import BytesIO

import pytest
from pydicom import dcmread

from adit.core.dicom import (
    DicomOperator,
    RetrieveProtocol,
    ServerConfig,
    TlsConfig,
    read_part10,
)
from adit.core.dicom.tests.conftest import RECEIVER_AE_TITLE
from adit.core.dicom.tests.dcmtk import DcmtkServers, certificate
from adit.core.dicom.tests.samples import CT, make_instance, make_series, real_instances
from adit.core.dicom.transcoding import LOSSLESS_SYNTAXES
from adit.stack.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.interop]

STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"


@pytest.fixture
def start():
    servers = DcmtkServers()
    yield servers.start
    servers.close()


@pytest.fixture
def archive(start, tmp_path, receiver_port):
    """An empty dcmqrscp with everything that it can do."""
    port = free_port()
    folder = tmp_path / "archive"
    folder.mkdir()
    config = tmp_path / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\n"
        f"receiver = ({RECEIVER_AE_TITLE}, 127.0.0.1, {receiver_port})\n"
        "HostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nARCHIVE {folder} RW (500, 1024mb) ANY\nAETable END\n"
    )
    start("dcmqrscp", "-c", config, port=port)
    return ServerConfig(
        name="ARCHIVE",
        ae_title="ARCHIVE",
        host="127.0.0.1",
        port=port,
        patient_root_find_support=True,
        patient_root_get_support=True,
        patient_root_move_support=True,
        study_root_find_support=True,
        study_root_get_support=True,
        study_root_move_support=True,
        store_scp_support=True,
        # Two at once lose entries of its index.
        max_associations=1,
    )


def test_a_class_that_the_server_does_not_tell_is_found_out(archive):
    """dcmqrscp knows no SOP Classes in Study: they are asked for at IMAGE level."""
    instance = make_instance(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Modality="SEG")
    with DicomOperator(archive) as operator:
        assert all(outcome.accepted for outcome in operator.store([instance]))
        (got,) = operator.fetch(
            patient_id="P1",
            study_instance_uid=STUDY,
            series={SERIES: None},
            protocol=RetrieveProtocol.C_GET,
        )
    assert got.data == instance.data


def storescp(start, folder, *options):
    port = free_port()
    folder.mkdir()
    start("storescp", *options, "-od", folder, port, port=port)
    return ServerConfig(
        name="STORE", ae_title="STORE", host="127.0.0.1", port=port, store_scp_support=True
    )


def test_every_real_file_arrives_byte_for_byte(start, tmp_path):
    config = storescp(start, tmp_path / "in", "+xa", "-pm", "+B")
    instances = {i.sop_instance_uid: i for i in real_instances()}
    with DicomOperator(config) as operator:
        outcomes = list(operator.store(instances.values()))
    accepted = {o.instance.sop_instance_uid for o in outcomes if o.accepted}
    refused = [o for o in outcomes if not o.accepted]
    assert [str(o.error) for o in refused if "Deflated" not in str(o.error)] == []
    for path in (tmp_path / "in").iterdir():
        got = read_part10(path)
        sent = instances[got.sop_instance_uid]
        assert got.transfer_syntax_uid == sent.transfer_syntax_uid
        # A deflated data set of odd length is padded on the wire (PS3.5 A.5).
        assert got.read() == sent.read() + b"\0" * (sent.size % 2)
        accepted.remove(got.sop_instance_uid)
    assert accepted == set()


def test_what_is_compressed_without_loss_is_decompressed_for_a_peer_that_refuses_it(
    start, tmp_path
):
    """Lossy pictures are refused in words; no object changes its UID."""
    config = storescp(start, tmp_path / "in", "+x=", "-pm")
    real = {i.sop_instance_uid: i for i in real_instances()}
    lossless = [i for i in real.values() if i.transfer_syntax_uid in LOSSLESS_SYNTAXES]
    lossy = [i for i in real.values() if i.transfer_syntax_uid in ("1.2.840.10008.1.2.4.50",)]
    assert len(lossless) > 5 and lossy
    with DicomOperator(config) as operator:
        outcomes = list(operator.store([make_instance(), *lossless, *lossy, make_instance()]))
    accepted = [o for o in outcomes if o.accepted]
    assert {o.instance.sop_instance_uid for o in accepted} & {
        i.sop_instance_uid for i in lossy
    } == set()
    assert "JPEG Baseline" in str(next(o for o in outcomes if not o.accepted).error)
    changed = {o.instance.sop_instance_uid: o for o in accepted if o.transcoded_to}
    assert set(changed) == {i.sop_instance_uid for i in lossless}
    assert all("without loss" in o.warning for o in changed.values())
    arrived = {got.sop_instance_uid: got for path in (tmp_path / "in").iterdir()
               for got in [read_part10(path)]}  # fmt: skip
    assert len(arrived) == len(accepted)
    for uid in changed:
        before, after = data_set(real[uid]), data_set(arrived[uid])
        assert not after.file_meta.TransferSyntaxUID.is_compressed
        assert (before.pixel_array == after.pixel_array).all()
        private = [e.tag for e in before if e.tag.is_private]
        assert [before[t].value for t in private] == [after[t].value for t in private]


def data_set(instance):
    return dcmread(BytesIO(instance.file_meta() + instance.read()))


def test_tls(start, tmp_path):
    key, pem = certificate(tmp_path)
    config = storescp(start, tmp_path / "in", "+tls", key, pem, "-ic")
    tls = dataclasses.replace(config, tls=TlsConfig(ca_file=pem))
    instances = [*make_series(5), make_instance(pixels=3_000_000)]
    with DicomOperator(tls) as operator:
        operator.echo()
        assert all(outcome.accepted for outcome in operator.store(instances))
    assert len(list((tmp_path / "in").iterdir())) == 6
    assert instances[0].sop_class_uid == CT
    # Without the authority the server is not trusted; without TLS nobody talks to it.
    with DicomOperator(dataclasses.replace(config, tls=TlsConfig())) as operator:
        (outcome,) = operator.store(make_series(1))
        assert outcome.error is not None
        assert outcome.error.code == "TLS certificate"
    with DicomOperator(config) as operator:
        (outcome,) = operator.store(make_series(1))
        assert not outcome.accepted
