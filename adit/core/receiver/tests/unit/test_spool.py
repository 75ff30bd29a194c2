"""The spool holds complete files only, and gives out nothing else."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from adit.core.dicom.part10 import read_part10
from adit.core.receiver import spool as spool_module
from adit.core.receiver.spool import Spool, SpoolError, SpoolFull, file_system

CT, UID, SYNTAX = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4", "1.2.840.10008.1.2.1"
DATA = b"\x08\x00\x60\x00CS\x02\x00CT" * 1000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_a_finished_file_is_a_dicom_file_with_the_very_bytes(spool: Spool):
    writer = spool.writer(CT, UID, SYNTAX, "PACS")
    for start in range(0, len(DATA), 999):
        writer.write([DATA[start : start + 999]])
    file = writer.finish()
    assert (file.size, file.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    instance = read_part10(spool.path(file.name))
    assert instance.read() == DATA
    assert (instance.sop_class_uid, instance.transfer_syntax_uid) == (CT, SYNTAX)
    assert list(spool.names()) == [file.name]


def test_an_unfinished_file_has_no_name_and_is_swept(spool: Spool):
    spool.writer(CT, UID, SYNTAX, "PACS").write([DATA])
    assert list(spool.names()) == []
    assert spool.sweep_partial_files() == 1
    assert list(spool.folder.iterdir()) == []


def test_nothing_is_taken_below_the_reserve(tmp_path: Path):
    spool = Spool(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(SpoolFull):
        spool.writer(CT, UID, SYNTAX, "PACS")


@pytest.mark.parametrize("name", ["", "../secret", "/etc/passwd", "owner.lock", "a.dcm", "0" * 36])
def test_no_other_file_can_be_named(spool: Spool, name: str):
    with pytest.raises(SpoolError):
        spool.path(name)


def test_a_spool_has_one_owner(spool: Spool):
    spool.lock()
    with pytest.raises(SpoolError):
        Spool(spool.folder).lock()
    spool.unlock()
    Spool(spool.folder).lock()


def test_the_file_system_is_known():
    found = subprocess.run(["stat", "-f", "-c", "%T", "/proc"], capture_output=True, text=True)
    assert file_system(Path("/proc")) == found.stdout.strip() == "proc"


@pytest.mark.parametrize("kind", ["ext4", "btrfs"])
def test_names_are_synced_where_the_files_own_sync_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
):
    monkeypatch.setattr(spool_module, "file_system", lambda folder: kind)
    synced: list[int] = []
    monkeypatch.setattr(spool_module.os, "fsync", synced.append)
    Spool(tmp_path).sync()
    assert bool(synced) is (kind == "btrfs")
