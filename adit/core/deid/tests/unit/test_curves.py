"""Curves and overlays are removed whatever the options: what is drawn in them cannot be read."""

from __future__ import annotations

import pytest
from pydicom._dicom_dict import RepeatersDictionary
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement

from adit.core.deid import Option
from adit.core.deid.tests.objects import ct_header, process_dataset, profile

_REPEATERS = [mask for mask in RepeatersDictionary if mask.startswith(("50xx", "60xx"))]


@pytest.mark.parametrize("option", Option)
def test_no_element_of_a_curve_or_an_overlay_stays(option: Option):
    dataset = ct_header()
    for mask in _REPEATERS:
        tag = int(mask.replace("xx", "02", 1).replace("x", "0"), 16)
        vr = dictionary_VR(tag)[:2]
        value = {"US": 1, "SS": 1, "UL": 1, "CS": "CODE", "IS": 1, "DS": 1, "SQ": [], "AT": 1}.get(
            vr, "Text"
        )
        if vr in ("OB", "OW"):
            value = b"text"
        dataset.add(DataElement(tag, vr, value))

    after, _ = process_dataset(dataset, under=profile(option))

    assert len(dataset) > 60
    assert [element.tag for element in after if element.tag >> 24 in (0x50, 0x60)] == []
