"""Everything may be killed, be away, be full, refuse or lie: afterwards each instance is at the
destination exactly once under its UID, the ledger says what is true, and nothing is left behind.

A new fault is a row of one of the tables.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom.uid import generate_uid

from adit.core.deid import Assignment, Pseudonymizer
from adit.core.factories import DicomServerFactory
from adit.core.models import DicomServer
from adit.core.receiver.tests.integration.conftest import AE_TITLE, KEY
from adit.core.transfer.tests.integration.conftest import ExampleStudy
from adit.core.transfer.tests.integration.real_system import RealSystem, wait_for
from adit.core.transfer.tests.integration.test_transfer import records_of
from adit.selective_transfer.models import SelectiveTransferJob
from adit.test_pacs.double import PacsDouble

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.patience,
    pytest.mark.django_db(transaction=True),
]

ALL = ("C-GET", "C-MOVE", "WADO-RS")
DIMSE = ("C-GET", "C-MOVE")
S = RealSystem


@dataclass(frozen=True)
class Fault:
    """A row: what is switched on at source and destination, what happens meanwhile, how it ends.

    Attributes:
        before: done before the task begins.
        act: done as soon as `when` holds.
        delivered: so many of the 40 instances are at the destination at the end.
        large: instances that go through files instead of memory.
    """

    protocols: tuple[str, ...] = ALL
    act: Callable[[RealSystem], None] | None = None
    when: Callable[[RealSystem, Any], bool] = RealSystem.halfway
    before: Callable[[RealSystem], None] | None = None
    large: bool = False
    source: dict[str, Any] = field(default_factory=dict)
    destination: dict[str, Any] = field(default_factory=dict)
    state: str = "SUCCESS"
    delivered: int = 40
    says: str = ""


FAULTS = {
    "worker killed": Fault(ALL, S.kill_worker),
    "run killed": Fault(DIMSE, S.kill_child),
    "receiver killed": Fault(("C-MOVE",), S.kill_receiver),
    "source away for a while": Fault(DIMSE, S.source_away),
    "source PACS killed": Fault(("WADO-RS",), S.orthanc_away),
    "destination away for a while": Fault(("C-GET", "WADO-RS"), S.destination_away),
    "spool full": Fault(("C-MOVE",), S.free_disks, S.has_failed_once, S.fill_spool),
    "work folder full": Fault(DIMSE, S.work_folder_full, large=True, delivered=4),
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
    # The last: afterwards the worker is told of new tasks by its polling only.
    "PostgreSQL crashes": Fault(ALL, S.crash_database),
}

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
        return server

    return get


@pytest.fixture(scope="module")
def large_study(example_study):
    """Four instances of 9 MB."""
    instances = []
    study_uid, series_uid = generate_uid(), generate_uid()
    for ds in example_study.instances[:4]:
        ds = copy.deepcopy(ds)
        ds.StudyInstanceUID, ds.SeriesInstanceUID = study_uid, series_uid
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.Rows = ds.Columns = 2200
        ds.PixelData = bytes(2 * 2200 * 2200)
        instances.append(ds)
    return ExampleStudy("1001", str(study_uid), instances)


def new_uids(task, study) -> dict[str, str]:
    """The UID that each source UID must get, computed apart from the transfer."""
    job = SelectiveTransferJob.objects.get(pk=task.job_id)
    assert job.profile
    assignment = Assignment(pseudonym=task.pseudonym)
    pseudonymizer = Pseudonymizer(job.profile.to_profile(), assignment)
    uids = [str(ds.SOPInstanceUID) for ds in study.instances]
    return {uid: pseudonymizer.map_uid(uid) for uid in uids}


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("protocol", ALL)
def test_nothing_is_lost_doubled_or_claimed(
    protocol, system, source_by, make_task, example_study, large_study, subtests
):
    source = source_by(protocol)
    system.pacs.archive.add_datasets(large_study.instances)
    for name, fault in FAULTS.items():
        if protocol in fault.protocols:
            with subtests.test(name):
                study = large_study if fault.large else example_study
                check(fault, protocol, system, source, make_task, study)


@pytest.mark.timeout(2400)
def test_two_minutes_without_any_pacs_cost_nothing(system, source_by, make_task, example_study):
    """With the waits that users have, not those of the other tests."""
    system.as_shipped()
    source = source_by("C-GET")
    system.reset()
    system.taker.faults.delay = 0.03
    taker = DicomServer.objects.get(name="TAKER")
    task = make_task(taker, source=source)
    wait_for(lambda: system.halfway(task))
    assert len(system.taker.archive) < len(example_study.instances)
    system.all_away(120)
    system.taker.faults.delay = 0
    task = system.finish(task, 500)
    assert task.state == "SUCCESS", system.story(task)
    system.check_truth(task, set(new_uids(task, example_study).values()))
    system.check_nothing_is_left()


def check(fault, protocol, system, source, make_task, study):
    """One row of the table."""
    system.reset()
    for double, switches in ((system.pacs, fault.source), (system.taker, fault.destination)):
        for key, value in switches.items():
            setattr(double.faults, key, value)
    if fault.large:
        # What is prefetched already needs no more space.
        system.pacs.faults.delay = 1
    elif fault.act is not None:
        system.taker.faults.delay = 0.03
    if fault.before is not None:
        fault.before(system)
    taker = DicomServer.objects.get(name="TAKER")
    task = system.task = make_task(taker, source=source, study_instance_uid=study.uid)
    system.enough = 1 if fault.large else 8
    if fault.act is not None:
        try:
            wait_for(lambda: fault.when(system, task))
        finally:
            fault.act(system)
            system.taker.faults.delay = system.pacs.faults.delay = 0
    task = system.finish(task)
    assert (task.state, fault.says in task.message) == (fault.state, True), system.story(task)
    expected = new_uids(task, study)
    held = {str(instance.sop_instance_uid) for instance in system.taker.archive}
    assert len(held) == fault.delivered, system.story(task)
    assert held <= set(expected.values())
    system.check_truth(task, held)
    assert {r.source_uid: r.new_uid for r in records_of(task) if r.state == "c"} == {
        source: new for source, new in expected.items() if new in held
    }
    if fault.state == "SUCCESS":
        assert task.protocol == protocol
    system.check_nothing_is_left()
