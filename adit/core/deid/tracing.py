"""Follows the engine through an object and writes down what happens, for the preview."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom.datadict import dictionary_description, keyword_for_tag

from .actions import Action, Rule
from .charset import Charset
from .codec import TEXT_VRS, Element, Encoding, parse_elements, vr_of_tag
from .engine import Insertion

SHOWN_LENGTH = 200
"""Characters of a value that a row shows."""

_NUMBERS = {
    b"US": "H",
    b"SS": "h",
    b"UL": "L",
    b"SL": "l",
    b"FL": "f",
    b"FD": "d",
    b"UV": "Q",
    b"SV": "q",
}
_ASCII_VRS = frozenset(b"AE AS CS DA DS DT IS TM UI UR".split())


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One element before and after.

    Attributes:
        path: Where it stands, `ReferencedImageSequence[0].ReferencedSOPInstanceUID`.
        depth: 0 at the top level.
        tag: `(GGGG,EEEE)`.
        keyword: Of PS3.6; empty for private and unknown elements.
        name: In words.
        vr: Of the source; of the target where the element is new.
        before: Value, shortened to `SHOWN_LENGTH` characters; empty where the element is new.
        after: The same after; empty where the element is removed or emptied.
        action: A value of `Action`.
        rule: Why, in words.
    """

    path: str
    depth: int
    tag: str
    keyword: str
    name: str
    vr: str
    before: str
    after: str
    action: str
    rule: str


def shortened(text: str) -> str:
    """At most `SHOWN_LENGTH` characters, printable ones."""
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + "…"


def shown(vr: bytes, raw: bytes, charset: Charset, encoding: Encoding) -> str:
    """A value for people: text decoded, numbers written out, bytes by their count."""
    if vr in TEXT_VRS:
        return shortened(charset.decode(raw).rstrip(" \0"))
    if vr in _ASCII_VRS:
        return shortened(raw.decode("latin-1").rstrip(" \0"))
    kind = _NUMBERS.get(vr)
    if kind and raw:
        size = struct.calcsize(f"={kind}")
        count = min(len(raw) // size, SHOWN_LENGTH)
        numbers = struct.unpack_from(f"{encoding.order}{count}{kind}", raw)
        return shortened(
            "\\".join(
                f"{number:g}" if isinstance(number, float) else str(number) for number in numbers
            )
        )
    return f"{len(raw)} bytes" if raw else ""


class PreviewTrace:
    """The engine's `Trace` as rows."""

    def __init__(self) -> None:
        self.rows: list[PreviewRow] = []
        self._buffer = b""
        self._encoding: list[Encoding] = []
        self._path: list[str] = []
        self._inserted: dict[int, tuple[bytes, str]] = {}
        self._sequence: list[Element] = []

    def begin(
        self,
        buffer: bytes,
        insertions: Sequence[Insertion],
        encoding: Encoding,
        charset: Charset,
    ) -> None:
        """The source's header, and what will be written into it, in which character set."""
        self._buffer = buffer
        self._encoding = [encoding]
        for tag, encoded in insertions:
            elements: list[Element] = []
            parse_elements(encoded, 0, len(encoded), encoding, elements)
            (element,) = elements
            items = element.items
            value = encoded[element.value : element.end]
            text = (
                _count(len(items.items)) if items else shown(element.vr, value, charset, encoding)
            )
            self._inserted[tag] = (element.vr if not items else b"SQ", text)

    def go_on(self, buffer: bytes) -> None:
        """Elements behind the pixel data follow, of this buffer."""
        self._buffer = buffer

    def enter(self, element: Element, rule: Rule, why: str, charset: Charset) -> None:
        """An element and what is done with it."""
        before = self._before(element, charset)
        after = before
        if rule.action is Action.REMOVE or (element.items is None and rule.apply is not None):
            after = ""
        self._sequence = [*self._sequence[: len(self._path)], element]
        self._add(element, before, after, rule.action, why)

    def changed(self, new: bytes, charset: Charset) -> None:
        """The value of the element entered last, as it goes out."""
        element = self._sequence[-1]
        row = self.rows[-1]
        after = shown(self._vr(element), new, charset, self._encoding[-1])
        self.rows[-1] = replace(row, after=after)

    def replaced(self, element: Element, charset: Charset) -> None:
        """An element in whose place an inserted one stands."""
        before = self._before(element, charset)
        _, after = self._inserted.pop(element.tag, (b"", ""))
        action = Action.WRITE if after else Action.REMOVE
        why = "Written by ADIT" if after else "Not true any more"
        self._add(element, before, after, action, why)

    def dummy_items(self, any_item: bool) -> None:
        """The sequence entered last gets dummy items, or none."""
        self.rows[-1] = replace(self.rows[-1], after=_count(1) if any_item else "")

    def descend(self, tag: int, number: int) -> None:
        """An item of a sequence begins."""
        items = self._sequence[len(self._path)].items
        self._encoding.append(items.encoding if items else self._encoding[-1])
        self._path.append(f"{_label(tag)}[{number}]")

    def ascend(self) -> None:
        """The item ends."""
        self._path.pop()
        self._encoding.pop()

    def finish(self) -> list[PreviewRow]:
        """All rows, with those that were not in the source at their places."""
        for tag, (vr, after) in self._inserted.items():
            row = PreviewRow(
                path=_label(tag),
                depth=0,
                tag=_tag(tag),
                keyword=keyword_for_tag(tag),
                name=_name(tag),
                vr=vr.decode(),
                before="",
                after=after,
                action=Action.WRITE.value,
                rule="Written by ADIT",
            )
            places = (
                index
                for index, other in enumerate(self.rows)
                if other.depth == 0 and other.tag > row.tag
            )
            self.rows.insert(next(places, len(self.rows)), row)
        self._inserted.clear()
        return self.rows

    def _before(self, element: Element, charset: Charset) -> str:
        if element.items is not None:
            return _count(len(element.items.items))
        raw = self._buffer[element.value : element.end]
        return shown(self._vr(element), raw, charset, self._encoding[-1])

    def _vr(self, element: Element) -> bytes:
        return vr_of_tag(element.tag) if element.vr == b"UN" else element.vr

    def _add(self, element: Element, before: str, after: str, action: Action, why: str) -> None:
        tag = element.tag
        self.rows.append(
            PreviewRow(
                path=".".join((*self._path, _label(tag))),
                depth=len(self._path),
                tag=_tag(tag),
                keyword=keyword_for_tag(tag),
                name=_name(tag),
                vr="SQ" if element.items is not None else self._vr(element).decode("latin-1"),
                before=before,
                after=after,
                action=action.value,
                rule=why,
            )
        )


def _count(items: int) -> str:
    return f"{items} item" if items == 1 else f"{items} items"


def _tag(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _label(tag: int) -> str:
    return keyword_for_tag(tag) or _tag(tag)


def _name(tag: int) -> str:
    if tag >> 16 & 1:
        return "Private Creator" if 0x10 <= tag & 0xFFFF <= 0xFF else "Private element"
    try:
        return dictionary_description(tag)
    except KeyError:
        return "Unknown attribute"
