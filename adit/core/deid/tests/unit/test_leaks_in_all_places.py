"""The leak gate finds what people write of a patient, wherever an element can be."""

from __future__ import annotations

import itertools
from functools import cache

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adit.core.deid import Option
from adit.core.deid.codec import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.tests.leaks import PEOPLE, Person, Writer, encoded_header, placed, written
from adit.core.deid.tests.objects import process, profile

_ENCODINGS = {
    ExplicitVRLittleEndian: EXPLICIT_LITTLE,
    ImplicitVRLittleEndian: IMPLICIT_LITTLE,
    ExplicitVRBigEndian: EXPLICIT_BIG,
}
_PLACES_PER_MENTION = 3


@cache
def cleaned(person: Person, syntax: str) -> tuple[bytes, bytes]:
    """Header before and after the engine."""
    before = encoded_header(person, syntax)
    after, result = process(before, syntax, under=profile(Option.RETAIN_SAFE_PRIVATE))
    assert result.findings == []
    return before, after


@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.family)
def test_every_mention_of_a_patient_is_found(person: Person):
    turns = itertools.count()
    missed, found = [], 0
    for syntax, encoding in _ENCODINGS.items():
        before, after = cleaned(person, syntax)
        gate = LeakGate()
        for text in person.mentions():
            for raw in written(text, person.declared):
                places = list(placed(Writer(syntax), raw))
                for _ in range(_PLACES_PER_MENTION):  # all places in turn
                    place, leak = places[next(turns) % len(places)]
                    if gate.check(before, after + leak, encoding):
                        found += 1
                    else:
                        missed.append(f"{text} as {raw!r} in {place}, {encoding}")

    assert not missed, "\n".join(missed)
    assert found > 500
