"""The memory of a task does not grow with what it moves."""

import copy

import numpy as np
import pytest
from pydicom.uid import generate_uid

from adit.core.jobs.tests.integration.test_worker import ended, start_worker, wait_for, work_dir
from adit.core.models import DicomServer
from adit.core.transfer.tests.integration.conftest import part10
from adit.stack.memory import PeakMemory

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

__all__ = ["start_worker", "work_dir"]

LIMIT = 400e6
SIDE = 17400  # pixels of 16 bits: 606 MB


@pytest.fixture(scope="module")
def large_uid(orthancs, example_study):
    """One instance of 600 MB at the source; its Study Instance UID."""
    ds = copy.deepcopy(example_study.instances[0])
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.Rows = ds.Columns = SIDE
    row = np.random.default_rng(1).integers(0, 4096, SIDE, dtype="<u2").tobytes()
    ds.PixelData = b""
    head = part10(ds)[:-12]
    # Explicit little endian: tag, OW, two bytes reserved, length (PS3.5 7.1.2).
    length = (len(row) * SIDE).to_bytes(4, "little")
    body = head + b"\xe0\x7f\x10\x00OW\x00\x00" + length + row * SIDE
    orthancs[0].request("POST", "/instances", body, timeout=300)
    yield str(ds.StudyInstanceUID)
    for orthanc in orthancs:
        for study in orthanc.request("POST", "/tools/lookup", str(ds.StudyInstanceUID).encode()):
            orthanc.request("DELETE", study["Path"])


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("protocol", ["C-GET", "WADO-RS"])
def test_an_object_of_600_mb_takes_a_task_less_than_400_mb(
    protocol, large_uid, source, destination, make_task, start_worker, orthancs
):
    DicomServer.objects.filter(pk=source.pk).update(
        preferred_retrieve=protocol, dicomweb_wado_support=True
    )
    orthancs[1].clear()
    task = make_task(destination, study_instance_uid=large_uid)
    with PeakMemory(start_worker().pid) as memory:
        wait_for(lambda: ended(task), 600)
    task.refresh_from_db()
    story = [event.text for event in task.events.order_by("pk")]
    assert (task.state, task.protocol) == ("SUCCESS", protocol), story
    assert task.bytes_done > 600e6
    assert 50e6 < memory.peak < LIMIT, f"{memory.peak / 1e6:.0f} MB"
