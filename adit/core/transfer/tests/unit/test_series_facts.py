"""What names the folder of a series is read in every transfer syntax."""

import zlib

import pytest

from adit.core.dicom import DicomInstance
from adit.core.dicom.tests.samples import BIG, EXPLICIT, IMPLICIT, make_instance
from adit.core.transfer.items import Outgoing
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
