import hashlib
import io

import pydicom
import pytest
from pydicom.dataset import Dataset

from adit.core.dicom import (
    DicomInstance,
    FileSlice,
    MalformedDataSet,
    NotPart10,
    SpillBuffer,
    TransientDicomError,
    read_part10,
)
from adit.core.dicom.header import read_identifiers
from adit.core.dicom.part10 import head_size, parse_head
from adit.core.dicom.tests.samples import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    make_instance,
    real_files,
    real_instances,
)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_identifiers_are_read_from_each_plain_syntax(syntax):
    identifiers = make_instance(syntax=syntax).identifiers()
    assert identifiers.study_instance_uid == "1.2.3.1"
    assert identifiers.series_instance_uid == "1.2.3.1.1"
    assert identifiers.patient_id == "P1"


def test_the_walk_agrees_with_pydicom_on_every_real_file():
    for path in real_files():
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        found = read_part10(path).identifiers()
        assert found.study_instance_uid == header.StudyInstanceUID, path.name
        assert found.series_instance_uid == header.SeriesInstanceUID, path.name
        assert found.sop_instance_uid == header.SOPInstanceUID, path.name


def test_sequences_of_undefined_length_before_the_identifiers_are_skipped():
    item = Dataset()
    item.ReferencedSOPInstanceUID = "1.9"
    inner = Dataset()
    inner.PatientID = "not this one"
    item.ReferencedStudySequence = [inner]
    for sequence_undefined in (True, False):
        instance = make_instance(ReferencedStudySequence=[item])
        data_set = pydicom.dcmread(io.BytesIO(instance.file_meta() + instance.read()))
        data_set["ReferencedStudySequence"].is_undefined_length = sequence_undefined
        data_set.ReferencedStudySequence[0].is_undefined_length_sequence_item = sequence_undefined
        buffer = io.BytesIO()
        data_set.save_as(buffer)
        head = parse_head(buffer.getvalue())
        found = read_identifiers(buffer.getvalue()[head.data_offset :], EXPLICIT)
        assert found.patient_id == "P1"
        assert found.study_instance_uid == "1.2.3.1"


@pytest.mark.parametrize("junk", [b"\x08\x00", b"GIF89a" * 20, b"\x08\x00\x18\x00UI\xff\x00abc"])
def test_junk_is_an_error(junk):
    with pytest.raises(MalformedDataSet):
        read_identifiers(junk, EXPLICIT)


def test_an_empty_data_set_has_no_identifiers():
    assert read_identifiers(b"", EXPLICIT).study_instance_uid == ""


def test_a_file_that_is_no_dicom_file_is_refused_with_its_name(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no DICOM " * 100)
    with pytest.raises(NotPart10, match=r"notes\.txt"):
        read_part10(path)


def test_part10_written_and_read_is_the_same(tmp_path):
    for number, instance in enumerate(real_instances()):
        path = tmp_path / f"{number}.dcm"
        instance.write_part10(path)
        again = read_part10(path)
        assert again.read() == instance.data
        assert again.transfer_syntax_uid == instance.transfer_syntax_uid
        assert again.sha256() == hashlib.sha256(instance.read()).hexdigest()
        assert pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID == (
            again.sop_instance_uid
        )


def test_a_missing_group_length_is_worked_around():
    instance = make_instance()
    head = instance.file_meta()
    without = head[:132] + head[144:]
    assert head_size(without + instance.read()) == len(without)


def test_a_slice_reads_like_a_file_of_its_own(tmp_path):
    path = tmp_path / "slice"
    path.write_bytes(b"before" + b"inside" + b"after")
    instance = DicomInstance("1", "2", EXPLICIT, FileSlice(path, 6, 6))
    with instance.open() as file:
        assert file.read(3) == b"ins"
        assert file.seek(-2, io.SEEK_END) == 4
        assert file.read() == b"de"
        assert file.read() == b""
    assert instance.read() == b"inside"
    assert instance.size == 6
    instance.discard()
    instance.discard()
    assert not path.exists()


def test_small_instances_stay_in_memory_and_large_ones_go_to_a_file(tmp_path):
    small, large = SpillBuffer(tmp_path, 10), SpillBuffer(tmp_path, 10)
    small.write(b"0123456789")
    large.write(b"01234")
    large.write(memoryview(b"56789x"))
    assert small.finish() == b"0123456789"
    piece = large.finish()
    assert isinstance(piece, FileSlice)
    assert piece.path.read_bytes() == b"0123456789x"
    assert piece.path.parent == tmp_path


def test_a_discarded_spill_leaves_no_file(tmp_path):
    buffer = SpillBuffer(tmp_path, 1)
    buffer.write(b"0123456789")
    buffer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_spill_folder_that_fails_is_a_transient_error(tmp_path):
    buffer = SpillBuffer(tmp_path / "missing", 1)
    with pytest.raises(TransientDicomError, match="no space"):
        buffer.write(b"0123456789")


@pytest.mark.parametrize("before", [0, *range(4000, 4120, 3), 70_000])
def test_a_head_of_any_length_is_read(tmp_path, before):
    """The UIDs may stand only in the data set, across the end of what is read first."""
    uid = b"1.2.840.99999.1234567890.1234567890\0"
    syntax = b"1.2.840.10008.1.2.1\0"
    meta = b"\x02\x00\x10\x00UI" + len(syntax).to_bytes(2, "little") + syntax
    group_length = b"\x02\x00\x00\x00UL\x04\x00" + len(meta).to_bytes(4, "little")
    filler = b"\x08\x00\x01\x00UN\0\0" + before.to_bytes(4, "little") + bytes(before)
    elements = b"".join(
        b"\x08\x00" + tag + b"\x00UI" + len(uid).to_bytes(2, "little") + uid
        for tag in (b"\x16", b"\x18")
    )
    path = tmp_path / "file.dcm"
    path.write_bytes(bytes(128) + b"DICM" + group_length + meta + filler + elements)
    instance = read_part10(path)
    assert instance.sop_class_uid == instance.sop_instance_uid == uid[:-1].decode()
    assert instance.read() == filler + elements
