"""Keyed, repeatable replacements: the same value under the same secret is replaced alike.

Every replacement is HMAC-SHA256 of the profile's secret over a label and the original value, so
it needs no memory, agrees between processes, and cannot be reversed or guessed without the secret.
"""

from __future__ import annotations

import hmac
import unicodedata
from datetime import timedelta

from pydicom.config import IGNORE
from pydicom.uid import UID

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # without I, L, O, U: cannot be misread
_OFFSET_MINIMUM_DAYS = 31
_OFFSET_SPAN_DAYS = 3640  # ten years, whole weeks
_MEMORY_LIMIT = 50_000


def is_of_the_standard(uid: str) -> bool:
    """Whether PS3.6 Annex A lists a UID."""
    return UID(uid, validation_mode=IGNORE).name != uid


class KeyedMapping:
    """Replacements under one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._uids: dict[str, str] = {}

    def digest(self, label: str, value: str) -> bytes:
        """32 bytes for a value; labels keep the kinds of values apart."""
        if not value.isascii():  # a letter with its accent is one character, or two
            value = unicodedata.normalize("NFC", value)
        message = f"{label}\0{value}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._secret, message, "sha256")

    def uid(self, uid: str) -> str:
        """`2.25.<integer of 16 bytes of HMAC-SHA256>` (PS3.5 B.2).

        UIDs that the standard lists (PS3.6 Annex A) stay: SOP classes, transfer syntaxes,
        well-known instances and frames of reference. Its root 1.2.840.10008 alone says nothing,
        since some systems make UIDs of instances under it.
        """
        mapped = self._uids.get(uid)
        if mapped is None:
            if not uid or is_of_the_standard(uid):
                return uid
            mapped = f"2.25.{int.from_bytes(self.digest('uid', uid)[:16])}"
            if len(self._uids) >= _MEMORY_LIMIT:
                self._uids.clear()
            self._uids[uid] = mapped
        return mapped

    def identifier(self, value: str, length: int = 12) -> str:
        """A replacement for an accession number or another id: letters and digits."""
        number = int.from_bytes(self.digest("identifier", value))
        characters = []
        for _ in range(length):
            number, index = divmod(number, 32)
            characters.append(_ALPHABET[index])
        return "".join(characters)

    def date_offset(self, patient_key: str, whole_weeks: bool = False) -> timedelta:
        """One offset per patient: 31 to 3670 days into the past, never zero."""
        number = int.from_bytes(self.digest("date-offset", patient_key)[:8])
        if whole_weeks:
            first = -(-_OFFSET_MINIMUM_DAYS // 7)
            return timedelta(days=-7 * (first + number % (_OFFSET_SPAN_DAYS // 7)))
        return timedelta(days=-(_OFFSET_MINIMUM_DAYS + number % _OFFSET_SPAN_DAYS))
