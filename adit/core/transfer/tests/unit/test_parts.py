"""Encrypted parts: what went in comes out, and nothing else ever does."""

import hashlib
import io
import os

import pytest

from adit.core.transfer.archive.part_sink import PartSink
from adit.core.transfer.archive.parts import DamagedPart, PartHead, PartReader, PartWriter
from adit.core.transfer.layout import SeriesFacts

KEY = bytes(range(32))
FACTS = SeriesFacts(series_uid="2.25.1", number="3", description="T1")


def write(path, data, key=KEY):
    with path.open("wb") as file:
        writer = PartWriter(file, key, PartHead("a.dcm", len(data), FACTS))
        for start in range(0, len(data), 700_000):
            writer.write(data[start : start + 700_000])
        writer.finish()


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_what_went_in_comes_out(size, tmp_path):
    data = os.urandom(size)
    write(tmp_path / "part", data)
    with PartReader(tmp_path / "part", KEY) as part:
        assert part.head == PartHead("a.dcm", size, FACTS)
        pieces = iter(lambda: part.read(300_001), b"")
        assert b"".join(pieces) == data


def read_all(path, key=KEY):
    with PartReader(path, key) as part:
        while part.read(1 << 20):
            pass


@pytest.mark.parametrize("place", [0, 10, 17, 60, 1000, -1])
def test_a_changed_byte_is_found(place, tmp_path):
    path = tmp_path / "part"
    write(path, os.urandom(2 << 20))
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedPart):
        read_all(path)


@pytest.mark.parametrize("left", [0, 5, 16, 100, 1 << 20])
def test_a_part_that_is_cut_off_is_found(left, tmp_path):
    path = tmp_path / "part"
    write(path, os.urandom(2 << 20))
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(DamagedPart):
        read_all(path)


def test_a_chunk_that_is_left_out_is_found(tmp_path):
    path = tmp_path / "part"
    write(path, os.urandom(3 << 20))
    data = path.read_bytes()
    head = 16 + 4 + int.from_bytes(data[16:20], "big")
    chunk = 4 + (1 << 20) + 16
    path.write_bytes(data[:head] + data[head + chunk :])
    with pytest.raises(DamagedPart):
        read_all(path)


def test_another_key_opens_nothing(tmp_path):
    write(tmp_path / "part", b"secret")
    with pytest.raises(DamagedPart):
        read_all(tmp_path / "part", bytes(32))


def test_a_sink_proves_by_the_tail_of_a_file(tmp_path):
    sink = PartSink("Folder", tmp_path / "parts", KEY)
    sink.put(FACTS, "a.dcm", 10, lambda file: file.write(b"head" + b"ledger"))
    assert sink.digest("a.dcm", 6) == hashlib.sha256(b"ledger").hexdigest()
    assert sink.digest("a.dcm", 11) == ""
    assert sink.digest("b.dcm", 1) == ""


def test_a_write_that_fails_leaves_nothing(tmp_path):
    sink = PartSink("Folder", tmp_path / "parts", KEY)

    def fail(file: io.RawIOBase) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        sink.put(FACTS, "a.dcm", 10, fail)  # type: ignore[arg-type]
    assert not list((tmp_path / "parts").iterdir())
