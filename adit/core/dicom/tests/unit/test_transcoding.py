"""Another transfer syntax changes no pixel, and no byte of any other value."""

import dataclasses
import io
import struct
import zlib

import numpy as np
import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from adit.core.dicom import DicomInstance
from adit.core.dicom.contexts import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from adit.core.dicom.tests.corpus import corpus
from adit.core.dicom.tests.samples import CT, EXPLICIT, encode
from adit.core.dicom.transcoding import (
    LOSSLESS_SYNTAXES,
    NotTranscodable,
    plain_syntaxes,
    transcode,
)

pytestmark = pytest.mark.filterwarnings("ignore")

TARGETS = [EXPLICIT_LITTLE, IMPLICIT_LITTLE]


def make_dataset():
    ds = Dataset()
    ds.SpecificCharacterSet, ds.SOPClassUID, ds.SOPInstanceUID = "ISO_IR 192", CT, "1.2.3.4"
    ds.PatientName, ds.PatientID = "Müller^Jörg", "P1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    return ds


def make_instance(ds):
    return DicomInstance(CT, "1.2.3.4", EXPLICIT, encode(ds, EXPLICIT))


def element(tag, vr, value):
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def with_private(instance, vr, value):
    """The instance with a private element in front of its patient, and where that is."""
    head = struct.pack("<HH", 0x0010, 0x0010)
    place = instance.data.index(head)
    own = element(0x00090010, b"LO", b"ACME") + element(0x00091001, vr, value)
    data = instance.data[:place] + own + instance.data[place:]
    return dataclasses.replace(instance, data=data)


def read(instance):
    return dcmread(io.BytesIO(instance.file_meta() + instance.read()), force=True)


def raw(value):
    """The bytes; pydicom decodes the creators of private elements at once."""
    return value or b"" if isinstance(value, bytes) or not value else str(value).encode().strip()


def packed(plane):
    """PackBits without any repetition."""
    rows = [plane[start : start + 100] for start in range(0, len(plane), 100)]
    out = b"".join(bytes([len(row) - 1]) + row for row in rows)
    return out + b"\0" * (len(out) % 2)


def rle(ds, pixels):
    """The data set with pixels of 16 bits in RLE, each bit as it is."""
    planes = [packed((pixels >> shift).astype("u1").tobytes()) for shift in (8, 0)]
    starts = [2, 64, 64 + len(planes[0]), *[0] * 13]
    ds.PixelData = encapsulate([struct.pack("<16L", *starts) + b"".join(planes)])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    instance = make_instance(ds)
    return dataclasses.replace(instance, transfer_syntax_uid=str(RLELossless))


def picture(**changes):
    ds = make_dataset()
    for name, value in {
        "Rows": 8,
        "Columns": 8,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        **changes,
    }.items():
        setattr(ds, name, value)
    return ds


def noise():
    return np.random.default_rng(1).integers(0, 1 << 16, 64, dtype="<u2")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("syntax", [EXPLICIT, str(RLELossless)])
@pytest.mark.parametrize(
    ("vr", "value"),
    [
        (b"LO", b"M\xfcller"),
        (b"LO", b"abc   "),
        (b"LO", b"a\0b\0"),
        (b"IS", b" 007"),
        (b"DS", b"1.23456789012345678901"),
        (b"DS", b"junk"),
        (b"UI", b"1.2.3\0\0\0"),
        (b"DA", b"2020.01.01"),
    ],
)
def test_private_values_keep_their_bytes(target, syntax, vr, value):
    if (syntax, target) == (EXPLICIT, EXPLICIT_LITTLE):
        return
    instance = make_instance(picture()) if syntax == EXPLICIT else rle(picture(), noise())
    instance = with_private(instance, vr, value)
    head = struct.pack("<HHL", 9, 0x1001, len(value))
    if target == EXPLICIT_LITTLE:
        head = struct.pack("<HH2sH", 9, 0x1001, vr, len(value))
    assert head + value in transcode(instance, target).data


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("signed", [0, 1])
def test_bits_above_those_of_the_pixels_stay(target, signed):
    """An overlay may lie there."""
    pixels = noise()
    got = read(transcode(rle(picture(PixelRepresentation=signed), pixels), target))
    assert got.PixelData == pixels.tobytes()


@pytest.mark.parametrize("target", TARGETS)
def test_every_real_file_keeps_its_pixels_and_all_else(target):
    seen = set()
    for file in corpus():
        instance = file.instance
        syntax = instance.transfer_syntax_uid
        if target not in plain_syntaxes(syntax) or instance.size > 2_000_000:
            continue
        try:
            new = transcode(instance, target)
        except NotTranscodable:
            pytest.fail(file.name)
        before, got = read(instance), read(new)
        seen.add(syntax)
        if syntax in LOSSLESS_SYNTAXES and "PixelData" in before:
            pair = read(instance).pixel_array, read(new).pixel_array
            assert np.array_equal(*pair), file.name
        tags = set(before.keys()) ^ set(got.keys())
        assert tags <= {0x7FE00001, 0x7FE00002, 0x00280006}, file.name
        for tag in before.keys() & got.keys():
            if tag >> 16 in (0x7FE0, 0x0028):
                continue
            one, other = before.get_item(tag), got.get_item(tag)
            assert one is not None and other is not None
            if one.VR != "SQ":
                assert raw(one.value) == raw(other.value), (file.name, tag)
            elif target == EXPLICIT_LITTLE or not one.tag.is_private:
                # Private ones cannot be read in implicit VR without a dictionary.
                assert before[tag] == got[tag], (file.name, tag)
    assert len(seen) == (5 if target == EXPLICIT_LITTLE else 6)


def sequences(undefined):
    inner = Dataset()
    inner.PatientName = "Inner"
    item = Dataset()
    item.PatientID = "Item"
    item.OtherPatientIDsSequence = Sequence([inner, Dataset()])
    ds = make_dataset()
    ds.OtherPatientIDsSequence = Sequence([item])
    for element in (ds["OtherPatientIDsSequence"], item["OtherPatientIDsSequence"]):
        element.is_undefined_length = undefined
    for one in (item, inner):
        one.is_undefined_length_sequence_item = undefined
    return ds


@pytest.mark.parametrize("undefined", [False, True])
def test_sequences_are_the_same_in_implicit_vr(undefined):
    instance = make_instance(sequences(undefined))
    got = transcode(instance, IMPLICIT_LITTLE)
    assert b"SQ" not in got.read()
    assert read(got).OtherPatientIDsSequence == sequences(undefined).OtherPatientIDsSequence
    assert read(got).PatientID == read(instance).PatientID


def test_a_compressed_picture_within_a_sequence_is_refused():
    icon = Dataset()
    icon.add_new(0x7FE00010, "OB", encapsulate([b"1234"]))
    icon["PixelData"].is_undefined_length = True
    ds = picture()
    ds.IconImageSequence = Sequence([icon])
    with pytest.raises(NotTranscodable):
        transcode(rle(ds, noise()), EXPLICIT_LITTLE)


@pytest.mark.parametrize("cut", [1, 5])
def test_a_deflated_data_set_that_is_cut_off_is_refused(cut):
    plain = make_instance(make_dataset())
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = packer.compress(plain.read()) + packer.flush()
    deflated = dataclasses.replace(plain, data=data, transfer_syntax_uid="1.2.840.10008.1.2.1.99")
    assert transcode(deflated, EXPLICIT_LITTLE).data == plain.data
    assert read(transcode(deflated, IMPLICIT_LITTLE)) == read(plain)
    with pytest.raises(NotTranscodable):
        transcode(dataclasses.replace(deflated, data=data[:-cut]), EXPLICIT_LITTLE)
