"""Identifiers that are mere numbers, where numbers stand: as text (DS, IS …) and in binary.

Numbers coincide by chance, so they have to be long:

- of six and more digits they count anywhere: as any one of many values, and in bytes (OB, OW, OF,
  OD, OL, OV, UN) at any alignment, as integers and floats of four and eight bytes in both byte
  orders. As four bytes only if they cannot be two samples of twelve bits.
- of four and five digits they count as the only value of an element, unless round (hundreds,
  powers of two and one below: sizes and grey levels) or a year, and not as InstanceNumber, which
  counts through them all. In clean objects about one value in three remains that could coincide
  with a number of four digits, so one object in some thirty thousand is held in error.
- shorter ones tell nothing.

In a UID a number counts as a component, as several components together (`1.2.123.456`), and from
eight digits on also inside of longer components. So do the digits of an id with letters.

A date in DA and DT, a time in TM and an age in AS are what they seem, even if the digits are those
of an id; and an id that reads as a date may be one in a UID.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal

from .leak_dates import compact_forms, seconds_of
from .leak_ids import core_of
from .report import FindingKind

CODES = {
    b"US": "H",
    b"SS": "h",
    b"UL": "I",
    b"SL": "i",
    b"FL": "f",
    b"FD": "d",
    b"UV": "Q",
    b"SV": "q",
    b"OL": "I",
    b"OV": "Q",
    b"OF": "f",
    b"OD": "d",
}
"""Code of `struct` for one value of a VR."""

COUNTED = frozenset({b"DS", b"IS", b"DA", b"TM", b"DT", b"AS", b"UI"})
"""VRs whose text is a number, a time or a UID."""

_STRONG, _WEAK, _INSIDE_OF_UIDS = 6, 4, 8
_DATES = (FindingKind.BIRTH_DATE, FindingKind.ORIGINAL_DATE)
_MADE_OF_RANDOM = "2.25."
_LONGEST = 18
_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
_INSTANCE_NUMBER = 0x00200013
_UID = r"[0-2](?:\.\d+){3,}|2\.25\.\d{12,}"
UID_BY_FORM = re.compile(_UID.encode())
"""Begins as a UID that somebody made does; `2.7.1961` is a date."""

_LEGAL = {
    b"DS": re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"),
    b"IS": re.compile(r"[-+]?\d+"),
    b"DA": re.compile(r"[\d.:-]+"),
    b"TM": re.compile(r"[\d:.-]+"),
    b"DT": re.compile(r"[\d.+:-]+"),
    b"AS": re.compile(r"\d{3}[dwmy]"),
    b"UI": re.compile(_UID),
}
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d+)?)?)?")


def is_legal(vr: bytes, text: str) -> bool:
    """Whether one value of a VR of `COUNTED`, in small letters, is made as the VR demands."""
    return bool(_LEGAL[vr].fullmatch(text))


def reads_as_date(digits: str) -> bool:
    """Whether the first eight digits tell a day of the last two centuries."""
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return 1850 <= day.year <= 2100


def _is_round(number: int) -> bool:
    return not number % 100 or not number & (number - 1) or not number & (number + 1)


@dataclass
class Numbers:
    """Numbers that identify, with what they are."""

    strong: dict[int, FindingKind] = field(default_factory=dict)
    weak: dict[int, FindingKind] = field(default_factory=dict)
    births: frozenset[int] = frozenset()
    of_letters: dict[int, FindingKind] = field(default_factory=dict)
    parted_births: frozenset[tuple[str, ...]] = frozenset()

    def add_ids(self, texts: Iterable[str], kind: FindingKind) -> None:
        for text in texts:
            core = core_of(text)
            if not core.isdecimal():
                digits = re.sub(r"[^0-9]", "", core).lstrip("0")
                if _STRONG < len(digits) <= _LONGEST:
                    self.of_letters[int(digits)] = kind
                continue
            if len(core) > _LONGEST:
                continue
            number = int(core)
            if len(core) >= _STRONG:
                self.strong[number] = kind
            elif len(core) >= _WEAK and not _is_round(number) and not 1900 <= number <= 2100:
                self.weak[number] = kind

    def add_births(self, days: Iterable[date]) -> None:
        self.births = frozenset(int(form) for day in days for form in compact_forms(day))
        self.strong |= dict.fromkeys(self.births, FindingKind.BIRTH_DATE)
        seconds = [int(text) for day in days for text in seconds_of(day)]
        self.strong |= dict.fromkeys(seconds, FindingKind.BIRTH_DATE)
        parts = [(str(day.year), str(day.month), str(day.day)) for day in days]
        self.parted_births = frozenset({*parts, *(part[::-1] for part in parts)})

    def add_days(self, days: Iterable[date]) -> None:
        """Dates of a study, as DICOM has them."""
        for day in days:
            self.strong[int(compact_forms(day)[0])] = FindingKind.ORIGINAL_DATE

    @cached_property
    def floats(self) -> dict[float, FindingKind]:
        """The numbers as floats of four bytes hold them."""
        return {
            struct.unpack("f", struct.pack("f", number))[0]: kind
            for number, kind in self.strong.items()
        }

    @cached_property
    def in_bytes(self) -> dict[bytes, FindingKind]:
        """The numbers as they may stand in bytes."""
        return {
            data: kind
            for number, kind in self.strong.items()
            if kind not in _DATES or (kind is _DATES[0] and reads_as_date(str(number)))
            for data in _encoded(number)
        }

    @cached_property
    def in_uids(self) -> dict[bytes, FindingKind]:
        """The numbers as components of a UID."""
        return {
            b"%d" % number: kind
            for number, kind in self.strong.items()
            if not reads_as_date(str(number)) or kind is FindingKind.BIRTH_DATE
        }

    @cached_property
    def _of_uids(self) -> dict[str, FindingKind]:
        """Digits that tell somebody in a UID, in whatever components they stand."""
        of_letters = {str(number): kind for number, kind in self.of_letters.items()}
        plain = {
            number.decode(): kind
            for number, kind in self.in_uids.items()
            if kind is not FindingKind.BIRTH_DATE
        }
        return {
            text: kind for text, kind in (of_letters | plain).items() if not reads_as_date(text)
        }

    @cached_property
    def _needles_of_uids(self) -> tuple[bytes, ...]:
        parted = {"".join(parts).encode() for parts in self.parted_births}
        return tuple({*self.in_uids, *parted, *(text.encode() for text in self._of_uids)})

    def may_be_in_uid(self, value: bytes) -> bool:
        """Whether `in_uid` may yield something of the UIDs of a value."""
        digits = value.translate(None, b". \\\0")
        return any(needle in digits for needle in self._needles_of_uids)

    def in_uid(self, uid: str) -> Iterator[FindingKind]:
        """What stands in a UID."""
        components = [component.lstrip("0") for component in uid.split(".")]
        for component in components:
            if kind := self.in_uids.get(component.encode()):
                yield kind
        count = len(components)
        if any(tuple(components[i : i + 3]) in self.parted_births for i in range(count - 2)):
            yield FindingKind.BIRTH_DATE
        together = {
            "".join(components[start:end])
            for start in range(count)
            for end in range(start, count + 1)
        }
        digits = "" if uid.startswith(_MADE_OF_RANDOM) else uid.replace(".", "")
        for text, kind in self._of_uids.items():
            if text in together or (len(text) >= _INSIDE_OF_UIDS and text in digits):
                yield kind

    def may_be_in(self, vr: bytes, values: list[bytes], big: bool) -> bool:
        """Whether `in_binary` may yield something of one of the values of a VR."""
        code = CODES.get(vr)
        if code:
            size = struct.calcsize("=" + code)
            if any(len(value) % size for value in values):
                return True
            joined = b"".join(values)
            held = set(struct.unpack(f"{'>' if big else '<'}{len(joined) // size}{code}", joined))
            if code in "Hh":
                held |= {
                    int.from_bytes(v, order) for v in values if len(v) == 4 for order in _ORDERS
                }
            if not held.isdisjoint(self._all) or (code == "f" and not held.isdisjoint(self.floats)):
                return True
        elif vr == b"AT":
            return any(any(self.in_binary(0, vr, value, big)) for value in values)
        if vr in CODES and vr[:1] != b"O":
            return False
        joined = b"".join(values)
        return any(data in joined for data in self.in_bytes)

    @cached_property
    def _all(self) -> frozenset[int]:
        return frozenset((*self.strong, *self.weak))

    def in_binary(self, tag: int, vr: bytes, value: bytes, big: bool) -> Iterator[FindingKind]:
        """What stands in the value of a binary VR."""
        code = CODES.get(vr)
        if code:
            size = struct.calcsize("=" + code)
            count = len(value) // size
            values = struct.unpack_from(f"{'>' if big else '<'}{count}{code}", value)
            for number, kind in (self.floats if code == "f" else self.strong).items():
                if number in values:
                    yield kind
            if code in "Hh" and count == 2:  # one number in two halves
                for order in _ORDERS:
                    if kind := self.strong.get(int.from_bytes(value[:4], order)):
                        yield kind
            if count == 1 and values[0] in self.weak and tag != _INSTANCE_NUMBER:
                yield self.weak[values[0]]
        elif vr == b"AT":
            for start in range(0, len(value) - 3, 4):
                group, number = struct.unpack_from(">HH" if big else "<HH", value, start)
                for found in (group << 16 | number, _digits_of(f"{group:04x}{number:04x}")):
                    if found in self.strong:
                        yield self.strong[found]
        if vr not in CODES or vr[:1] == b"O":
            for data, kind in self.in_bytes.items():
                if data in value:
                    yield kind

    def in_counted(self, tag: int, vr: bytes, value: str) -> Iterator[FindingKind]:
        """What stands in legal text of a VR of `COUNTED`."""
        parts = [part.strip(" \0") for part in value.split("\\")]
        for part in parts:
            if vr == b"UI":
                yield from self.in_uid(part)
                continue
            if vr == b"AS" or (vr in (b"TM", b"DT") and _TIME.fullmatch(part)):
                continue
            if vr in (b"DA", b"DT") and reads_as_date(re.sub(r"[-.:]", "", part)):
                continue
            try:
                number = float(part) if vr == b"DS" and not part.isdecimal() else int(part)
                int(number)  # not infinite
            except (OverflowError, ValueError):
                number = _digits_of(re.sub(r"[-.:+]", "", part))
            if number != int(number):
                continue
            whole = abs(int(number))
            if whole in self.strong:
                yield self.strong[whole]
            alone = len(parts) == 1 and vr in (b"DS", b"IS") and tag != _INSTANCE_NUMBER
            if alone and whole in self.weak:
                yield self.weak[whole]


def _digits_of(text: str) -> int:
    return int(text) if text.isdecimal() else -1


def _encoded(number: int) -> Iterator[bytes]:
    low, high = number & 0xFFFF, number >> 16
    for order in "<>":
        forms = [struct.pack(order + code, number) for code in "Qdf"]
        if high <= 0xFFFF and (low > 0x0FFF or high > 0x0FFF):
            forms.append(struct.pack(order + "I", number))
        for data in forms:
            if len(data.replace(b"\0", b"")) >= 3:
                yield data
