"""Everything may be killed, be away, be full, refuse or lie: afterwards each instance is at the
destination exactly once under its UID, the ledger says what is true, and nothing is left behind.

A new fault is a row of one of the tables.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from adit.core.factories import DicomServerFactory
from adit.core.models import DicomServer
from adit.core.receiver.tests.integration.conftest import AE_TITLE, KEY
from adit.core.transfer.processor import TransferProcessor
from adit.core.transfer.tests.integration.real_system import RealSystem, wait_for
from adit.core.transfer.tests.integration.test_transfer import records_of
from adit.selective_transfer.models import SelectiveTransferJob
from adit.stack.orthanc_rest import Modality
from adit.test_pacs.double import PacsDouble

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

ALL = ("C-GET", "C-MOVE", "WADO-RS")
DIMSE = ("C-GET", "C-MOVE")
S = RealSystem


@dataclass(frozen=True)
class Fault:
    """A row: what is switched on at source and destination, what happens half way, and how it ends.

    `delivered` of the 40 instances are at the destination at the end.
    """

    protocols: tuple[str, ...] = ALL
    act: Callable[[RealSystem], None] | None = None
    source: dict[str, Any] = field(default_factory=dict)
    destination: dict[str, Any] = field(default_factory=dict)
    state: str = "SUCCESS"
    delivered: int = 40
    says: str = ""


FAULTS = {
    "worker killed": Fault(ALL, S.kill_worker),
    "run killed": Fault(DIMSE, S.kill_child),
    "receiver killed": Fault(("C-MOVE",), S.kill_receiver),
    "PostgreSQL crashes": Fault(ALL, S.crash_database),
    "source away for a while": Fault(DIMSE, S.source_away),
    "source PACS killed": Fault(("WADO-RS",), S.orthanc_away),
    "destination away for a while": Fault(("C-GET", "WADO-RS"), S.destination_away),
    "destination refuses every tenth once": Fault(
        ("C-GET", "WADO-RS"), destination={"refuse_every_nth_store": 10}
    ),
    "destination refuses every tenth for good": Fault(
        ("C-GET",),
        destination={"refuse_every_nth_store": 10, "refuse_store_status": 0xC001},
        state="WARNING",
        delivered=36,
        says="C001",
    ),
    "zero sub-operations": Fault(
        DIMSE, source={"zero_suboperations": True}, state="FAILURE", delivered=0
    ),
    "success with missing ones": Fault(
        DIMSE, source={"leave_out": 3}, state="WARNING", delivered=34
    ),
    "all failed but success": Fault(
        DIMSE, source={"all_failed_but_success": True}, state="FAILURE", delivered=0
    ),
    "success before sending": Fault(("C-MOVE",), source={"success_before_sending": True}),
    "duplicates": Fault(DIMSE, source={"duplicates": True}),
    "another patient's instances": Fault(
        DIMSE, source={"wrong_patient": True}, state="FAILURE", delivered=0
    ),
    "no move originator": Fault(("C-MOVE",), source={"no_move_originator": True}),
    "endless pending": Fault(DIMSE, source={"endless_pending": True}),
}
ROWS = [(name, protocol) for name, fault in FAULTS.items() for protocol in fault.protocols]

_PROTOCOL_FLAGS = {
    "C-GET": {"study_root_move_support": False, "patient_root_move_support": False},
    "C-MOVE": {"study_root_get_support": False, "patient_root_get_support": False},
    "WADO-RS": {
        "dicomweb_wado_support": True,
        "dicomweb_qido_support": True,
        "preferred_retrieve": "WADO-RS",
        "study_root_move_support": False,
        "patient_root_move_support": False,
        "study_root_get_support": False,
        "patient_root_get_support": False,
    },
}


@pytest.fixture
def system(transactional_db, settings, tmp_path, orthancs, pacs):
    settings.WORK_DIR = tmp_path / "work"
    settings.FILE_TRANSMIT_KEY = KEY
    with PacsDouble("TAKER") as taker:
        DicomServerFactory(name="TAKER", ae_title="TAKER", port=taker.port)
        system = RealSystem(tmp_path, orthancs, pacs, taker)
        yield system
        system.close()


@pytest.fixture
def source_by(request, system):
    """The source that speaks one protocol only: the double, or Orthanc for DICOMweb."""

    def get(protocol):
        name = "source" if protocol == "WADO-RS" else "double_source"
        server = request.getfixturevalue(name)
        DicomServer.objects.filter(pk=server.pk).update(**_PROTOCOL_FLAGS[protocol])
        if protocol == "C-MOVE":
            system.receiver.start()
            system.pacs.peers[AE_TITLE] = ("127.0.0.1", system.receiver.port)
            system.orthancs[0].add_modality(AE_TITLE, Modality(AE_TITLE, system.receiver.port))
        return server

    return get


@pytest.fixture
def begin(system, source_by, make_task):
    """Start a transfer to the double; returns the task."""

    def start(protocol, **changes):
        taker = DicomServer.objects.get(name="TAKER")
        task = make_task(taker, source=source_by(protocol), **changes)
        system.start_worker()
        return task

    return start


def new_uids(task, study) -> dict[str, str]:
    """The UID that each source UID must get, computed apart from the transfer."""
    job = SelectiveTransferJob.objects.get(pk=task.job_id)
    work = TransferProcessor(SelectiveTransferJob)
    del work
    profile = job.profile.to_profile()
    from adit.core.deid import Assignment, Pseudonymizer

    pseudonymizer = Pseudonymizer(profile, Assignment(pseudonym=task.pseudonym))
    uids = [str(ds.SOPInstanceUID) for ds in study.instances]
    return {uid: pseudonymizer.map_uid(uid) for uid in uids}


@pytest.mark.parametrize(("name", "protocol"), ROWS, ids=[f"{n} · {p}" for n, p in ROWS])
def test_nothing_is_lost_doubled_or_claimed(name, protocol, system, pacs, begin, example_study):
    fault = FAULTS[name]
    for key, value in fault.source.items():
        setattr(pacs.faults, key, value)
    for key, value in fault.destination.items():
        setattr(system.taker.faults, key, value)
    if fault.act is not None:
        system.taker.faults.delay = 0.03
    task = begin(protocol)
    if fault.act is not None:
        wait_for(lambda: system.halfway(task))
        fault.act(system)
        system.taker.faults.delay = 0
    task = system.finish(task)
    assert (task.state, fault.says in task.message) == (fault.state, True), system.story(task)
    expected = new_uids(task, example_study)
    held = {str(instance.sop_instance_uid) for instance in system.taker.archive}
    assert len(held) == fault.delivered, system.story(task)
    assert held <= set(expected.values())
    system.check_truth(task, held)
    assert {r.source_uid: r.new_uid for r in records_of(task) if r.state == "c"} == {
        source: new for source, new in expected.items() if new in held
    }
    if fault.state != "FAILURE" or fault.delivered:
        assert task.protocol == protocol
    system.check_nothing_is_left()
