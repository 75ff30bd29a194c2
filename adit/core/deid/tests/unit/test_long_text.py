"""Long text takes time in proportion to its length: nobody can stop a worker with one element."""

from __future__ import annotations

import io
import time
from random import Random

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from adit.core.deid import Assignment, FindingKind, Option, Pseudonymizer
from adit.core.deid.cleaning import Cleaner
from adit.core.deid.codec import EXPLICIT_LITTLE, encode_element
from adit.core.deid.errors import TooManyIdentifiers
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.leak_needles import has_any
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


def test_many_names_are_not_sought_one_by_one_in_each_text():
    words = _words(6000)
    names = [" ".join(words[at : at + 4]) for at in range(0, 1900, 4)]
    cleaner = Cleaner(names=names, identifiers=[], birth_date=None)

    begin = time.process_time()
    for word in words:
        cleaner.clean(word, descriptor=False)

    assert time.process_time() - begin < 1.5


def test_many_needles_are_not_sought_one_by_one_in_each_text():
    words = [word.encode() for word in _words(32_000)]
    needles = tuple(words[2000:])

    begin = time.process_time()
    found = [has_any(word, needles) for word in (*words[:2000], words[-1])]

    assert found == [False] * 2000 + [True]
    assert time.process_time() - begin < 1.5


def test_an_object_with_thousands_of_names_is_refused_in_words():
    dataset = ct_header(PatientName=" ".join(_words(6000)))

    with pytest.raises(TooManyIdentifiers, match="6[0-9]{3} words of names, ids and addresses"):
        process(encode(dataset))


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        (b"OB", b"%41" * 400_000),
        (b"UT", b"=41" * 800_000),
        (b"UT", "Ä".encode() * 1_100_000),
        (b"OB", b"smith--\0\0" * 600_000),
    ],
    ids=["escaped bytes", "escaped text", "foreign text", "bytes full of hits"],
)
def test_what_is_too_long_to_be_read_in_all_ways_is_held(vr: bytes, value: bytes):
    source = encode(ct_header(SpecificCharacterSet="ISO_IR 192", PatientName="Smith"))
    left = encode_element(EXPLICIT_LITTLE, 0x00282000, vr, value)

    begin = time.process_time()
    found = LeakGate().check(source, left, EXPLICIT_LITTLE)

    assert FindingKind.UNCHECKED in {finding.kind for finding in found}
    assert time.process_time() - begin < 60


def test_long_plain_text_is_searched_and_not_held():
    source = encode(ct_header())
    for vr in (b"OB", b"UT"):
        left = encode_element(EXPLICIT_LITTLE, 0x00282000, vr, b"T1 weighted " * 300_000)
        assert LeakGate().check(source, left, EXPLICIT_LITTLE) == []
