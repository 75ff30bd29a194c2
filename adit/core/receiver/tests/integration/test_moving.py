"""C-MOVE from end to end: a PACS, the receiver, the inbox, and the operator that asks."""

import dataclasses
import os
import shutil
from pathlib import Path

import psutil
import pytest
from pydicom import dcmread

from adit.core.dicom import (
    DicomError,
    DicomInstance,
    DicomOperator,
    FileSlice,
    LocalConfig,
    RetrieveProtocol,
    ServerConfig,
)
from adit.core.dicom.tests.scripted_peer import Conversation, scripted
from adit.core.models import ReceivedInstance, RefusedSender
from adit.core.receiver.inbox import ReceiverInbox
from adit.stack.ports import wait_until
from adit.test_pacs import Faults, PacsDouble

from .conftest import AE_TITLE, ReceiverUnderTest, Study, dcmtk

pytestmark = [pytest.mark.integration, pytest.mark.processes]

LARGE = 300 << 20


def server(ae_title: str, port: int) -> ServerConfig:
    return ServerConfig(
        name=ae_title,
        ae_title=ae_title,
        host="127.0.0.1",
        port=port,
        patient_root_find_support=True,
        patient_root_get_support=False,
        patient_root_move_support=True,
        study_root_find_support=True,
        study_root_get_support=False,
        study_root_move_support=True,
        store_scp_support=True,
    )


@pytest.mark.parametrize(
    "fault",
    ["", "no_move_originator", "duplicates", "success_before_sending", "endless_pending"],
)
def test_a_series_comes_whole_whatever_the_pacs_does(
    receiver: ReceiverUnderTest, compressed: Study, fault: str, tmp_path: Path
):
    faults = Faults()
    faults.update({fault: True} if fault else {})
    peers = {AE_TITLE: ("127.0.0.1", receiver.port)}
    with PacsDouble("SOURCE", instances=compressed.instances, peers=peers, faults=faults) as pacs:
        with DicomOperator(
            server("SOURCE", pacs.port),
            LocalConfig(receiver_ae_title=AE_TITLE, progress_timeout=30),
            incoming=ReceiverInbox(spill_folder=tmp_path),
            spill_folder=tmp_path,
        ) as operator:
            instances = list(
                operator.fetch(
                    patient_id="1009",
                    study_instance_uid=compressed.uid,
                    series={compressed.series_uid: None},
                    protocol=RetrieveProtocol.C_MOVE,
                )
            )
        series = [
            ds for ds in compressed.instances if ds.SeriesInstanceUID == compressed.series_uid
        ]
        assert len(instances) == len(series)
        for instance in instances:
            assert instance.read() == pacs.archive.get(instance.sop_instance_uid).encoded()


@pytest.mark.parametrize("no_move_originator", [False, True])
def test_what_came_twice_counts_twice_where_nobody_lists_the_series(
    receiver: ReceiverUnderTest, compressed: Study, no_move_originator: bool
):
    """The server says that it sent twice as many as there are, and is right."""
    faults = Faults(duplicates=True, no_move_originator=no_move_originator)
    peers = {AE_TITLE: ("127.0.0.1", receiver.port)}
    blind = {"study_root_find_support": False, "patient_root_find_support": False}
    with (
        PacsDouble("SOURCE", instances=compressed.instances, peers=peers, faults=faults) as pacs,
        DicomOperator(
            dataclasses.replace(server("SOURCE", pacs.port), **blind),
            LocalConfig(receiver_ae_title=AE_TITLE, progress_timeout=30),
            incoming=ReceiverInbox(),
        ) as operator,
    ):
        instances = list(
            operator.fetch(
                patient_id="1009",
                study_instance_uid=compressed.uid,
                series={compressed.series_uid: None},
                protocol=RetrieveProtocol.C_MOVE,
            )
        )
    series = [one for one in compressed.instances if one.SeriesInstanceUID == compressed.series_uid]
    assert len(instances) == len(series)
    assert not ReceivedInstance.objects.exists()


@pytest.mark.parametrize("extra", ["SOURCE@127.0.0.1", "*@127.0.0.1"])
def test_a_server_that_calls_under_another_title_is_refused_in_words_until_it_is_let_in(
    transactional_db, tmp_path: Path, compressed: Study, extra: str
):
    receiver = ReceiverUnderTest(tmp_path, RECEIVER_EXTRA_SENDERS=extra)
    receiver.start()
    peers = {AE_TITLE: ("127.0.0.1", receiver.port)}
    faults = Faults(calling_ae_title="STRANGER")
    got, said = [], ""
    try:
        with (
            PacsDouble(
                "SOURCE", instances=compressed.instances, peers=peers, faults=faults
            ) as pacs,
            DicomOperator(
                server("SOURCE", pacs.port),
                LocalConfig(receiver_ae_title=AE_TITLE, progress_timeout=30),
                incoming=ReceiverInbox(),
            ) as operator,
        ):
            try:
                for instance in operator.fetch(
                    patient_id="1009",
                    study_instance_uid=compressed.uid,
                    series={compressed.series_uid: None},
                    protocol=RetrieveProtocol.C_MOVE,
                ):
                    got.append(instance.sop_instance_uid)
            except DicomError as error:
                said = str(error)
        if extra.startswith("*"):
            assert len(got) == len(set(got)) > 0 and said == ""
        else:
            assert got == [] and "could not send to the destination" in said
            refused = RefusedSender.objects.filter(
                calling_ae_title="STRANGER", address="127.0.0.1", reason="calling"
            )
            wait_until(refused.exists, "the administrator sees who was refused")
    finally:
        receiver.stop()


def memory(receiver: ReceiverUnderTest) -> int:
    """Bytes that the receiver's processes hold, each counted for itself."""
    assert receiver.process
    parent = psutil.Process(receiver.process.pid)
    return sum(one.memory_info().rss for one in [parent, *parent.children()])


def test_memory_stays_flat_over_a_large_object(receiver: ReceiverUnderTest, tmp_path: Path):
    if shutil.disk_usage(tmp_path).free < 4 * LARGE:
        pytest.fail("This test needs 1.2 GB of disk space.")
    file = tmp_path / "large"
    with file.open("wb") as target:
        target.write(b"\x08\x00\x16\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.7\x00")
        target.write(b"\xe0\x7f\x10\x00OW\x00\x00" + LARGE.to_bytes(4, "little"))
        target.truncate(target.tell() + LARGE)
    instance = DicomInstance(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
        sop_instance_uid="1.2.3.4",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        data=FileSlice(file, 0, file.stat().st_size),
    )
    before = memory(receiver)
    with DicomOperator(server(AE_TITLE, receiver.port), LocalConfig()) as operator:
        (outcome,) = operator.store([instance])
    assert outcome.accepted
    assert ReceivedInstance.objects.get().size == file.stat().st_size
    assert memory(receiver) - before < 64 << 20
    os.truncate(file, 0)


@pytest.mark.parametrize("copies", ["", "the same", "another version"])
def test_what_an_unknown_node_sends_beyond_the_list_comes_and_is_counted(
    receiver: ReceiverUnderTest, head: Study, tmp_path: Path, copies: str
):
    """The list lacks one, which comes from another node of the PACS, last or with the others."""
    *listed, unlisted = sorted(head.folder.iterdir())
    foreign = [unlisted]
    if copies:
        foreign.append(Path(shutil.copy(listed[0], tmp_path)))
    if copies == "another version":
        ds = dcmread(foreign[1])
        ds.ImageComments = "Not as the archive has it."
        ds.save_as(foreign[1])

    def send(sender: str, files: list[Path]) -> None:
        arguments = ("-aet", sender, "-aec", AE_TITLE, "127.0.0.1", receiver.port, *files)
        assert dcmtk("storescu", *arguments).returncode == 0

    def script(peer: Conversation) -> None:
        peer.accept()
        context, request, _ = peer.receive()
        send("SOURCE", listed)
        send("NODE_X", foreign)
        peer.respond(context, request, 0, completed=len(listed) + len(foreign))
        peer.serve_release()

    versions: list[str] = []

    class Observer:
        def list_is_short(self, series_uid: str) -> None:
            raise AssertionError(series_uid)

        def came_in_two_versions(self, source_uid: str, stranger: str = "") -> None:
            versions.append(source_uid)

    named = {path.stem for path in listed}
    with (
        scripted(script) as peer,
        DicomOperator(
            server("SOURCE", peer.config().port),
            LocalConfig(receiver_ae_title=AE_TITLE),
            incoming=ReceiverInbox(),
        ) as operator,
    ):
        fetched = operator.fetch(
            patient_id="1001",
            study_instance_uid=head.uid,
            series={head.series_uid: named},
            listed={head.series_uid: named},
            observer=Observer(),
            protocol=RetrieveProtocol.C_MOVE,
        )
        got = [instance.sop_instance_uid for instance in fetched]
    assert sorted(got) == sorted(head.uids)
    assert versions == ([listed[0].stem] if copies == "another version" else [])
    assert ReceivedInstance.objects.filter(conflicting=False).count() == 0
