"""Long text takes time in proportion to its length: nobody can stop a worker with one element."""

from __future__ import annotations

import io
import time

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from adit.core.deid import Assignment, Option, Pseudonymizer
from adit.core.deid.tests.objects import ct_header, encode, profile

LENGTH = 150_000
PATTERNS = ["a", "A0", "1", "1 ", "1.", "1-", " ", "_", "%41", "&amp;", "&#x41", "=41", "\\u0041"]
PATTERNS += ["%2525252541", "aа", "a@", "May ", "1may", "Dr. ", "born in ", "schmid"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_long_text_is_cleaned_and_checked_in_seconds(pattern: str):
    text = pattern * (LENGTH // len(pattern))
    dataset = ct_header(SpecificCharacterSet="ISO_IR 192", PatientBirthDate="19610723")
    dataset.ObservationDescription = text
    dataset.ProtocolDesignRationale = text
    options = (Option.CLEAN_DESCRIPTORS, Option.RETAIN_LONGITUDINAL_MODIFIED_DATES)
    pseudonymizer = Pseudonymizer(profile(*options), Assignment(pseudonym="S"))

    begin = time.process_time()
    pseudonymizer.process(io.BytesIO(encode(dataset)), io.BytesIO(), ExplicitVRLittleEndian)

    assert time.process_time() - begin < 15
