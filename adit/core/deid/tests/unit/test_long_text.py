"""Long text takes time in proportion to its length: nobody can stop a worker with one element."""

from __future__ import annotations

import io
import time
from random import Random

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from adit.core.deid import Assignment, Option, Pseudonymizer
from adit.core.deid.errors import TooManyIdentifiers
from adit.core.deid.tests.objects import ct_header, encode, process, profile

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


@pytest.mark.parametrize("white", [" ", "\n"])
def test_white_space_behind_a_digit_is_read_once(white: str):
    dataset = ct_header(PatientBirthDate="19610723")
    dataset.ObservationDescription = f"Knee 1{white * 20_000}left"

    begin = time.process_time()
    process(encode(dataset), under=profile(Option.CLEAN_DESCRIPTORS))

    assert time.process_time() - begin < 2  # seconds; tens of them where each blank is a beginning


def _words(count: int) -> list[str]:
    random = Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(random.choices(letters, k=8)) for _ in range(count)]


def test_many_persons_and_many_texts_take_no_time_for_each_pair():
    words = _words(4900)
    dataset = ct_header(
        ContentSequence=[_person(n) for n in zip(words[:950], words[950:1900], strict=True)]
    )
    dataset.ContentSequence += [_text(word) for word in words[1900:]]
    options = (Option.CLEAN_DESCRIPTORS, Option.CLEAN_STRUCTURED_CONTENT)
    data = encode(dataset)

    begin = time.process_time()
    process(data, under=profile(*options))

    assert time.process_time() - begin < 4


def _person(words: tuple[str, str]) -> Dataset:
    item = Dataset()
    item.ValueType, item.PersonName = "PNAME", "^".join(words)
    return item


def _text(text: str) -> Dataset:
    item = Dataset()
    item.ValueType, item.TextValue = "TEXT", text
    return item


def test_an_object_with_thousands_of_names_is_refused_in_words():
    dataset = ct_header(PatientName=" ".join(_words(6000)))

    with pytest.raises(TooManyIdentifiers, match="6[0-9]{3} words of names, ids and addresses"):
        process(encode(dataset))
