"""Every operation against DCMTK's dcmqrscp, plain and by TLS: one table.

dcmqrscp itself speaks no TLS, so a front does that stands before it. What DCMTK's clients do with
us (storescu, echoscu) is tested with the receiver, its storescp in test_dcmtk and test_tls.
"""

import dataclasses

import pytest

from adit.core.dicom import (
    DicomOperator,
    Query,
    RetrieveProtocol,
    ServerConfig,
    StoreProtocol,
    TlsConfig,
)
from adit.core.dicom.tests.certificates import Authority
from adit.core.dicom.tests.conftest import RECEIVER_AE_TITLE
from adit.core.dicom.tests.dcmtk import DcmtkServers
from adit.core.dicom.tests.samples import content, make_series
from adit.core.dicom.tests.tls_front import TlsFront
from adit.stack.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.interop]

STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"
HELD = make_series(6, pixels=4000)
OF_SERIES = Query(patient_id="P1", study_instance_uid=STUDY, series_instance_uid=SERIES)


@pytest.fixture(scope="module")
def links(tmp_path_factory, receiver_port):
    """The same archive by both ways, with a series in it."""
    folder = tmp_path_factory.mktemp("dcmqrscp")
    port, servers, authority = free_port(), DcmtkServers(), Authority(folder)
    (folder / "archive").mkdir()
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\n"
        f"receiver = ({RECEIVER_AE_TITLE}, 127.0.0.1, {receiver_port})\n"
        "HostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nARCHIVE {folder / 'archive'} RW (500, 1024mb) ANY\nAETable END\n"
    )
    servers.start("dcmqrscp", "-c", config, port=port)
    front = TlsFront(authority.sign("front"), port)
    plain = ServerConfig(
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
    tls = TlsConfig(ca_file=authority.certificate)
    with DicomOperator(plain) as operator:
        assert all(outcome.accepted for outcome in operator.store(HELD))
    yield {"plain": plain, "TLS": dataclasses.replace(plain, port=front.port, tls=tls)}
    front.close()
    servers.close()


def echo(operator):
    operator.echo()


def find_patients(operator):
    assert [one.patient_id for one in operator.find_patients(Query(patient_id="P1"))] == ["P1"]


def find_studies(operator):
    (study,) = operator.find_studies(Query(patient_name="Doe, J*", study_instance_uid=STUDY))
    # dcmqrscp tells neither; they are filled in.
    assert (study.modalities_in_study, study.number_of_series) == (("CT",), 1)


def find_series(operator):
    found = operator.find_series(Query(study_instance_uid=STUDY, series_number=1))
    assert [one.series_instance_uid for one in found] == [SERIES]


def find_instances(operator):
    found = {one.sop_instance_uid for one in operator.find_instances(OF_SERIES)}
    assert found == {one.sop_instance_uid for one in HELD}


def retrieve(operator, protocol, wanted=None):
    got = operator.fetch(
        patient_id="P1", study_instance_uid=STUDY, series={SERIES: wanted}, protocol=protocol
    )
    came = {one.sop_instance_uid: content(one) for one in got}
    assert came == {
        one.sop_instance_uid: content(one)
        for one in HELD
        if wanted is None or one.sop_instance_uid in wanted
    }


def get(operator):
    retrieve(operator, RetrieveProtocol.C_GET)


def get_some(operator):
    retrieve(operator, RetrieveProtocol.C_GET, {one.sop_instance_uid for one in HELD[:2]})


def move(operator):
    retrieve(operator, RetrieveProtocol.C_MOVE)


def move_some(operator):
    retrieve(operator, RetrieveProtocol.C_MOVE, {one.sop_instance_uid for one in HELD[:2]})


def store(operator):
    study = f"1.2.3.{operator.server.port}"
    new = make_series(3, StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1")
    outcomes = list(operator.store(new, protocol=StoreProtocol.C_STORE))
    assert [one.error for one in outcomes if not one.accepted] == []
    query = Query(patient_id="P1", study_instance_uid=study, series_instance_uid=f"{study}.1")
    found = {one.sop_instance_uid for one in operator.find_instances(query)}
    assert found == {one.sop_instance_uid for one in new}


OPERATIONS = [
    echo, find_patients, find_studies, find_series, find_instances,
    get, get_some, move, move_some, store,
]  # fmt: skip
MODELS = {"study root": "patient_root", "patient root": "study_root"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("link", ["plain", "TLS"])
def test_an_operation(link, operation, links, local, incoming):
    with DicomOperator(links[link], local, incoming=incoming) as operator:
        operation(operator)


@pytest.mark.parametrize("operation", [find_instances, get, move], ids=lambda op: op.__name__)
@pytest.mark.parametrize("model", list(MODELS))
def test_one_model_is_enough(model, operation, links, local, incoming):
    missing = {f"{MODELS[model]}_{name}_support": False for name in ("find", "get", "move")}
    config = dataclasses.replace(links["plain"], **missing)
    with DicomOperator(config, local, incoming=incoming) as operator:
        operation(operator)
