"""Names of unknown attributes, fit to be kept: who is the patient must not stand in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from adit.core.dicom import DicomInstance, MalformedDataSet
from adit.core.dicom.header import read_values

# Accession number, patient's name, ID, birth date, other IDs (retired form).
_IDENTIFYING = (0x00080050, 0x00100010, 0x00100020, 0x00100030, 0x00101000)
WITHHELD = "private block whose creator resembles the patient's data"
_MOST = 200


class UnknownNames:
    """Private creators are free text of whoever wrote the object, so one that holds a part of the
    patient's name or an identifier is named by words of ours instead."""

    def __init__(self) -> None:
        self._parts: set[str] = set()
        self._seen: set[tuple[bytes, ...]] = set()
        self._named: set[str] = set()

    def look_at(self, instance: DicomInstance) -> None:
        """Learn who the patient of an instance is."""
        if not isinstance(instance.data, bytes):
            data = instance.open().read(1 << 16)
        else:
            data = instance.data
        try:
            values = read_values(data, instance.transfer_syntax_uid, _IDENTIFYING)
        except MalformedDataSet:
            return
        key = tuple(values.values())
        if key in self._seen:
            return
        self._seen.add(key)
        for value in values.values():
            # Latin letters and digits are read the same in every character set that DICOM allows;
            # a creator is written in these (PS3.5 7.8.1: LO of the default repertoire).
            text = value.decode("latin-1").casefold()
            words = re.findall(r"[^\W_]{3,}", text)
            # Short numbers are parts of tags.
            self._parts.update(word for word in words if len(word) > 4 or not word.isdecimal())

    def safe(self, unknown: Mapping[str, int]) -> Counter[str]:
        """The counts with names that may be kept; of very many only the first ones."""
        found: Counter[str] = Counter()
        for name, number in unknown.items():
            text = name.casefold()
            if any(part in text for part in self._parts):
                name = WITHHELD
            if name not in self._named and len(self._named) >= _MOST:
                name = "further unknown attributes"
            self._named.add(name)
            found[name[:100]] += number
        return found
