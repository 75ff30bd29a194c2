"""Whether a data set is all there, told by the lengths of its elements."""

import zlib

import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from adit.core.dicom import DicomInstance, FileSlice, MalformedDataSet
from adit.core.dicom.survey import survey
from adit.core.dicom.tests.samples import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    encode,
    make_instance,
    real_instances,
)

JPEG = "1.2.840.10008.1.2.4.50"
PLAIN = [IMPLICIT, EXPLICIT, BIG]


def data_set_before_its_sequence():
    data_set = Dataset()
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "1.2", "1.3"
    return data_set


def with_sequence(*, undefined):
    """A data set whose last element is a sequence with an item in it."""
    item, data_set = Dataset(), data_set_before_its_sequence()
    item.CodeValue = "T-1"
    item.is_undefined_length_sequence_item = undefined
    data_set.PerformedProtocolCodeSequence = Sequence([item])
    data_set["PerformedProtocolCodeSequence"].is_undefined_length = undefined
    return data_set


@pytest.mark.parametrize("syntax", PLAIN)
@pytest.mark.parametrize("undefined", [True, False])
def test_a_sequence_that_is_cut_off_anywhere_is_noticed(syntax, undefined):
    data = encode(with_sequence(undefined=undefined), syntax)
    start = len(encode(data_set_before_its_sequence(), syntax))
    assert survey(data, syntax).whole
    assert survey(data[:start], syntax).whole
    # The first byte alone may be zero, as padding is.
    assert not any(survey(data[:end], syntax).whole for end in range(start + 2, len(data)))


@pytest.mark.parametrize("syntax", PLAIN)
def test_pixel_data_that_are_cut_off_anywhere_are_noticed(syntax):
    data = make_instance(syntax=syntax, pixels=100).read()
    assert survey(data, syntax).whole
    assert not any(survey(data[:-count], syntax).whole for count in range(1, 101))


@pytest.mark.parametrize("syntax", PLAIN)
def test_what_is_cut_off_within_the_identifiers_is_malformed(syntax):
    with pytest.raises(MalformedDataSet):
        survey(make_instance(syntax=syntax).read()[:100], syntax)


def test_a_fragment_that_is_cut_off_is_noticed():
    head = make_instance(pixels=0).read()
    pixels = encapsulate([b"\xff\xd8" * 50, b"\xff\xd9" * 50]) + b"\xfe\xff\xdd\xe0\0\0\0\0"
    data = head + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + pixels
    assert survey(data, JPEG).whole
    assert not any(survey(data[:end], JPEG).whole for end in range(len(head) + 1, len(data)))


def test_a_deflated_data_set_is_cut_where_its_stream_or_its_inside_ends():
    plain = make_instance(pixels=4000).read()

    def deflate(data):
        compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        return compressor.compress(data) + compressor.flush()

    for syntax in (DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"):
        instance = DicomInstance("1", "2", syntax, deflate(plain))
        assert instance.survey().whole
        assert instance.identifiers().series_instance_uid == "1.2.3.1.1"
    assert survey(deflate(plain) + b"\0", DEFLATED).whole
    assert not survey(deflate(plain)[:-4], DEFLATED).whole
    assert not survey(deflate(plain[:-4]), DEFLATED).whole


PAPYRUS, GE_PRIVATE, ANY_PRIVATE = "1.2.840.10008.1.20", "1.2.840.113619.5.2", "1.3.46.670589.33"


@pytest.mark.parametrize(
    ("syntax", "as_in"),
    [(PAPYRUS, IMPLICIT), (GE_PRIVATE, IMPLICIT), (ANY_PRIVATE, IMPLICIT), (ANY_PRIVATE, EXPLICIT)],
)
def test_a_data_set_in_a_retired_or_private_syntax_is_read(syntax, as_in):
    data = make_instance(syntax=as_in, pixels=100).read()
    whole, cut = (DicomInstance("1", "2", syntax, part) for part in (data, data[:-1]))
    assert whole.survey().whole and not cut.survey().whole
    assert whole.identifiers() == whole.survey().identifiers
    assert whole.identifiers().series_instance_uid == "1.2.3.1.1"


def test_padding_behind_the_last_element_is_no_element():
    data = make_instance().read()
    assert survey(data + b"\0\0", EXPLICIT).whole
    assert survey(data + bytes(100), EXPLICIT).whole
    assert survey(data + b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0\0\0\0\0", EXPLICIT).whole


TIFF = b"II*\0" + bytes(124)


@pytest.mark.parametrize(
    ("syntax", "preamble"),
    [(EXPLICIT, bytes(128)), (EXPLICIT, TIFF), (BIG, bytes(128))],
)
def test_a_file_behind_the_data_set_is_no_part_of_it(syntax, preamble):
    instance = make_instance(syntax=syntax, pixels=100)
    behind = preamble + instance.file_meta()[128:] + instance.read()
    assert not survey(instance.read() + behind, syntax).whole
    assert survey(instance.read() + behind, syntax).identifiers == instance.identifiers()


def test_it_agrees_with_the_short_walk_on_every_real_file():
    for instance in real_instances():
        assert instance.survey().identifiers == instance.identifiers()


@pytest.mark.parametrize(
    "tail",
    [b"", b"\0\0", bytes(7), b"\x20\0\x11", b"\x20\0\x11\0??\2\0ab", b"\x20\0\x11\0IS\xff\0ab"],
)
def test_it_agrees_with_the_short_walk_on_what_is_odd_behind_the_identifiers(tail: bytes):
    data = make_instance().read()
    series = data.index(b"\x20\0\x0e\0UI")
    end = series + 8 + int.from_bytes(data[series + 6 : series + 8], "little")
    instance = DicomInstance("1", "2", EXPLICIT, data[:end] + tail)
    assert instance.survey().identifiers == instance.identifiers()
    assert instance.identifiers().series_instance_uid == "1.2.3.1.1"


def test_a_file_is_surveyed_where_it_lies(tmp_path):
    data = make_instance(pixels=5000).read()
    path = tmp_path / "spilled"
    path.write_bytes(b"head" + data + b"tail")
    for cut in (0, 4):
        piece = FileSlice(path, 4, len(data) - cut)
        assert DicomInstance("1", "2", EXPLICIT, piece).survey().whole is (cut == 0)
