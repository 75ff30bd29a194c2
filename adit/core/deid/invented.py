"""Invented names of persons, where a rule asks for a dummy and not for an empty value.

The names come from dicognito. Its choice depends on nothing but the seed and the original value
(a digest of both), so a seed from the profile's secret and the patient makes it repeatable in
every process. dicognito's seed is text and its digest MD5, which is no keyed digest: the seed is
itself an HMAC, and ids and UIDs, which must withstand guessing, are not taken from dicognito.
"""

from __future__ import annotations

from hashlib import blake2b

from dicognito.pnanonymizer import PNAnonymizer
from dicognito.randomizer import Randomizer
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from .name_parts import name_words


class InventedNames:
    """Names for one patient's objects, none of which shares a word with `avoid`."""

    def __init__(self, seed: str, avoid: set[str]) -> None:
        self._anonymizer = PNAnonymizer(Randomizer(seed))
        self._avoid = {word.lower() for word in avoid}

    def name(self, original: str) -> str:
        """Invented names (PN), the same for the same original; empty values stay empty."""
        return "\\".join(self._single(value) if value else "" for value in original.split("\\"))

    def _single(self, original: str) -> str:
        # What devices write is no PN in every case: too long, or of bytes of another character set.
        digest = blake2b(original.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
        for attempt in range(64):
            element = DataElement(0x0040A123, "PN", f"{digest}{attempt or ''}")
            self._anonymizer(Dataset(), element)
            candidate = str(element.value)
            if not {word.lower() for word in name_words(candidate)} & self._avoid:
                return candidate
        return "ANONYMOUS"
