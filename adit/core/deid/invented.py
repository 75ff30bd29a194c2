"""Invented names of persons, where a rule asks for a dummy and not for an empty value.

The names come from dicognito. Its choice depends on nothing but the seed and the original value
(a digest of both), so a seed from the profile's secret and the patient makes it repeatable in
every process. dicognito's seed is text and its digest MD5, which is no keyed digest: the seed is
itself an HMAC, and ids and UIDs, which must withstand guessing, are not taken from dicognito.
"""

from __future__ import annotations

from dicognito.pnanonymizer import PNAnonymizer
from dicognito.randomizer import Randomizer
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from .cleaning import name_words


class InventedNames:
    """Names for one patient's objects, none of which shares a word with `avoid`."""

    def __init__(self, seed: str, avoid: set[str]) -> None:
        self._anonymizer = PNAnonymizer(Randomizer(seed))
        self._avoid = {word.lower() for word in avoid}

    def name(self, original: str) -> str:
        """An invented name (PN), the same for the same original."""
        candidate = ""
        for attempt in range(64):
            element = DataElement(0x0040A123, "PN", f"{original}{attempt or ''}")
            self._anonymizer(Dataset(), element)
            candidate = str(element.value)
            if not {word.lower() for word in name_words(candidate)} & self._avoid:
                return candidate
        return "ANONYMOUS"
