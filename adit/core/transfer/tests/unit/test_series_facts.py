"""What names the folder of a series is read in every transfer syntax, value by value."""

import io
import zlib

import pytest
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from adit.core.dicom import DicomInstance
from adit.core.dicom.tests.samples import BIG, EXPLICIT, IMPLICIT, make_instance
from adit.core.transfer.items import Outgoing
from adit.core.transfer.layout import series_names
from adit.core.transfer.nifti.pixels import has_pixels
from adit.core.transfer.series_facts import facts_of


def deflate(data):
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("syntax", "as_in", "pack"),
    [
        (IMPLICIT, IMPLICIT, bytes),
        (EXPLICIT, EXPLICIT, bytes),
        (BIG, BIG, bytes),
        ("1.2.840.10008.1.2.4.95", EXPLICIT, deflate),
        ("1.2.840.10008.1.20", IMPLICIT, bytes),
        ("1.2.840.113619.5.2", IMPLICIT, bytes),
        ("1.3.46.670589.33.1.4.1", EXPLICIT, bytes),
    ],
)
def test_the_facts_of_a_series_are_read(syntax, as_in, pack):
    data = pack(make_instance(syntax=as_in, SeriesDescription="Thorax ä", SeriesNumber=7).read())
    instance = DicomInstance("1.2", "1.3", syntax, data)
    facts = facts_of(Outgoing("1.3", "1.5", "1.4", "1.5", instance, ""))
    assert (facts.number, facts.description) == ("7", "Thorax ä")
    assert (facts.study_date, facts.study_time) == ("20240229", "120000")
    assert has_pixels(instance)


def facts(**attributes):
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    buffer = io.BytesIO()
    ds.save_as(buffer, implicit_vr=False, little_endian=True)
    data = buffer.getvalue()
    instance = DicomInstance(CTImageStorage, "1.2.3", ExplicitVRLittleEndian, data)
    return facts_of(Outgoing("1.2.3", "1.2", "1", "1.2", instance, ""))


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"SeriesNumber": "2", "SeriesDescription": "T1 axial"}, "2-T1 axial"),
        ({"SeriesNumber": "2", "SeriesDescription": "Thorax /..\\O"}, "2-Thorax _.._O"),
        ({"SeriesNumber": "2\\3", "SeriesDescription": "\\O"}, "2-O"),
        ({"SeriesNumber": "", "SeriesDescription": ""}, "none"),
        ({}, "none"),
    ],
)
def test_a_series_is_named_by_its_values_and_not_by_how_python_lists_them(attributes, name):
    assert series_names([facts(**attributes)]) == {"1.2": name}


def test_of_several_dates_the_first_counts():
    found = facts(StudyDate="20200101\\20200102", StudyTime="0930\\10")
    assert (found.study_date, found.study_time) == ("20200101", "0930")
