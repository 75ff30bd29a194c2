"""Reading a few attributes from the start of an encoded data set, and nothing more.

The data set is walked element by element (PS3.5 section 7.1); only the wanted top-level elements
are looked at, and the walk ends after the last of them, long before the pixel data.
"""

from __future__ import annotations

import struct
import unicodedata
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from .charsets import decode_text, encodings_of
from .texts import one_line

SPECIFIC_CHARACTER_SET = 0x00080005
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018
PATIENT_ID = 0x00100020
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
IDENTIFYING_TAGS = frozenset(
    {SPECIFIC_CHARACTER_SET, SOP_CLASS_UID, SOP_INSTANCE_UID, PATIENT_ID}
    | {STUDY_INSTANCE_UID, SERIES_INSTANCE_UID}
)
_STUDY_AND_SERIES = frozenset({STUDY_INSTANCE_UID, SERIES_INSTANCE_UID})

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = frozenset(
    {
        "1.2.840.10008.1.2.1.99",  # deflated explicit VR little endian
        "1.2.840.10008.1.2.4.95",  # JPIP referenced deflate
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K referenced deflate
    }
)
_IMPLICIT = frozenset({IMPLICIT_LITTLE, "1.2.840.10008.1.20"})  # and Papyrus 3, which is retired
_STANDARD = "1.2.840.10008."
LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"}
    | {b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
# Far beyond what LO can hold; accents without end take quadratic time to compose.
_LONGEST_ID = 1024
_SHORTEST_ELEMENT = 8
_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF


class MalformedDataSet(ValueError):
    """The bytes are no data set in the transfer syntax that they claim to have."""


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What names an instance, as it stands in its data set; "" where the attribute is missing."""

    sop_class_uid: str
    sop_instance_uid: str
    patient_id: str
    study_instance_uid: str
    series_instance_uid: str


def read_identifiers(data: bytes | memoryview, transfer_syntax_uid: str) -> Identifiers:
    """Reads the identifiers; `data` may be the whole data set or a mapping of its file.

    Raises:
        MalformedDataSet: If the walk leaves the data set before it is done.
    """
    return identifiers_from(read_values(data, transfer_syntax_uid, IDENTIFYING_TAGS))


def read_study_and_series(
    data: bytes | bytearray | memoryview, transfer_syntax_uid: str
) -> tuple[str, str]:
    """Likewise only the Study and Series Instance UID.

    Raises:
        MalformedDataSet: If the walk leaves the data set before it is done.
    """
    values = read_values(data, transfer_syntax_uid, _STUDY_AND_SERIES)
    study, series = values.get(STUDY_INSTANCE_UID, b""), values.get(SERIES_INSTANCE_UID, b"")
    return decode_uid(study), decode_uid(series)


def identifiers_from(values: Mapping[int, bytes]) -> Identifiers:
    """The identifiers from the raw values of their elements."""
    texts = (PATIENT_ID, SPECIFIC_CHARACTER_SET)
    uids = {tag: decode_uid(value) for tag, value in values.items() if tag not in texts}
    return Identifiers(
        sop_class_uid=uids.get(SOP_CLASS_UID, ""),
        sop_instance_uid=uids.get(SOP_INSTANCE_UID, ""),
        patient_id=_decode_id(values),
        study_instance_uid=uids.get(STUDY_INSTANCE_UID, ""),
        series_instance_uid=uids.get(SERIES_INSTANCE_UID, ""),
    )


def _decode_id(values: Mapping[int, bytes]) -> str:
    """The patient ID, which is in the character set of the data set (PS3.5 6.1)."""
    value = values.get(PATIENT_ID, b"")
    terms = values.get(SPECIFIC_CHARACTER_SET, b"").decode("ascii", "replace").split("\\")
    if value.isascii() and b"\x1b" not in value:
        text = value.decode("ascii")
    else:
        text = decode_text(value, encodings_of(terms, "ISO_IR 192"))
    # As the answers of queries have it, which it is compared with.
    return one_line(text)


def same_patient(one: str, other: str) -> bool:
    """Whether two patient IDs are equal; spaces around them do not count (PS3.5 6.2, LO)."""
    first, second = one.strip(" \0"), other.strip(" \0")
    if first == second or max(len(first), len(second)) > _LONGEST_ID:
        return first == second
    return unicodedata.normalize("NFC", first) == unicodedata.normalize("NFC", second)


def decode_uid(value: bytes) -> str:
    """A UID without its padding; some peers pad with a space instead of NUL (PS3.5 9.4)."""
    return value.decode("ascii", "replace").strip(" \0")


def is_deflated(transfer_syntax_uid: str) -> bool:
    """Whether the whole data set is compressed (PS3.5 A.5)."""
    return transfer_syntax_uid in DEFLATED


def has_implicit_vr(data: bytes | memoryview, transfer_syntax_uid: str) -> bool:
    """Whether the elements of a data set have no VR (PS3.5 7.1).

    All transfer syntaxes of the standard but a few have them. What a private one does is seen at
    the first element of `data`.
    """
    if transfer_syntax_uid in _IMPLICIT:
        return True
    if transfer_syntax_uid.startswith(_STANDARD):
        return False
    vr = bytes(data[4:6])
    return len(vr) == 2 and vr not in SHORT_VRS and vr not in LONG_VRS


def read_values(
    data: bytes | bytearray | memoryview, transfer_syntax_uid: str, tags: Collection[int]
) -> dict[int, bytes]:
    """Returns the raw values of those top-level elements among `tags` that are there.

    Raises:
        MalformedDataSet: If the walk leaves the data set before it is done.
    """
    view = memoryview(data)
    if transfer_syntax_uid in DEFLATED:
        view = memoryview(_inflate(view))
    big = transfer_syntax_uid == EXPLICIT_BIG
    walker = _Walker(view, explicit=not has_implicit_vr(view, transfer_syntax_uid), big=big)
    values: dict[int, bytes] = {}
    try:
        walker.collect(values, frozenset(tags), max(tags))
    except (struct.error, RecursionError, MalformedDataSet) as error:
        if max(tags) in values:
            return values  # what is odd behind the wanted elements is left to those who read it
        if isinstance(error, MalformedDataSet):
            raise
        what = "ends within an element" if isinstance(error, struct.error) else "nests too deeply"
        raise MalformedDataSet(f"The data set {what}.") from error
    finally:
        walker.release()
    return values


def read_elements(
    data: bytes, transfer_syntax_uid: str
) -> tuple[dict[int, tuple[str, bytes]], bool]:
    """Returns VR ("" in implicit VR) and raw value of every top-level element but sequences.

    What comes after a malformed element is left out, and the second value is False then: it is for
    short answers of which one wants as much as can be had.
    """
    elements: dict[int, tuple[str, bytes]] = {}
    big = transfer_syntax_uid == EXPLICIT_BIG
    explicit = not has_implicit_vr(data, transfer_syntax_uid)
    walker = _Walker(memoryview(data), explicit=explicit, big=big)
    try:
        for tag, vr, value in walker.values():
            elements[tag] = (vr.decode("ascii", "replace"), value)
    except (struct.error, RecursionError, MalformedDataSet):
        return elements, False
    return elements, True


def _inflate(view: memoryview) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(view, 1 << 20)
    except zlib.error as error:
        raise MalformedDataSet("The deflated data set cannot be inflated.") from error


class _Walker:
    def __init__(self, view: memoryview, *, explicit: bool, big: bool) -> None:
        self.view = view
        self.explicit = explicit
        order = ">" if big else "<"
        self.tag = struct.Struct(f"{order}HH").unpack_from
        self.explicit_head = struct.Struct(f"{order}HH2sH").unpack_from
        self.short = struct.Struct(f"{order}H").unpack_from
        self.long = struct.Struct(f"{order}L").unpack_from

    def release(self) -> None:
        self.view.release()

    def collect(self, values: dict[int, bytes], tags: frozenset[int], last: int) -> None:
        """Take the first values of `tags`; ends before the first element behind `last`.

        Dozens of short elements stand before the wanted ones in each instance, so they are read in
        one step each.
        """
        view, explicit, explicit_head = self.view, self.explicit, self.explicit_head
        position, end = 0, len(view)
        first_group = min(tags) >> 16
        while position < end:
            if end - position < _SHORTEST_ELEMENT and not any(view[position:end]):
                return  # padding, as some writers leave
            group, element, vr, length = explicit_head(view, position)
            if explicit and group < first_group and vr in SHORT_VRS:
                position += 8 + length
                continue
            if explicit and vr in SHORT_VRS and group != 0xFFFE:
                tag, start = group << 16 | element, position + 8
            else:
                tag, vr, length, start = self._element(position, explicit)
            if tag > last:
                break
            if length == _UNDEFINED:
                # PS3.5 6.2.2 note 2: UN of undefined length is a sequence in implicit VR.
                position = self._skip_sequence(start, explicit and vr != b"UN")
                continue
            position = start + length
            if position > end:
                raise MalformedDataSet("An element is longer than the data set.")
            if tag in tags:
                values.setdefault(tag, bytes(view[start:position]))
        if position > end:
            raise MalformedDataSet("An element is longer than the data set.")

    def values(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Tag, VR and value of all elements but sequences."""
        position, end = 0, len(self.view)
        while position < end:
            tag, vr, length, start = self._element(position, self.explicit)
            if length == _UNDEFINED:
                position = self._skip_sequence(start, self.explicit and vr != b"UN")
                continue
            position = start + length
            if position > end:
                raise MalformedDataSet("An element is longer than the data set.")
            if vr != b"SQ":
                yield tag, vr, bytes(self.view[start:position])

    def _element(self, position: int, explicit: bool) -> tuple[int, bytes, int, int]:
        group, element = self.tag(self.view, position)
        tag = group << 16 | element
        if not explicit or group == 0xFFFE:
            return tag, b"", self.long(self.view, position + 4)[0], position + 8
        vr = bytes(self.view[position + 4 : position + 6])
        if vr in LONG_VRS:
            return tag, vr, self.long(self.view, position + 8)[0], position + 12
        if not (vr.isalpha() and vr.isupper()):
            raise MalformedDataSet("An element has no value representation.")
        return tag, vr, self.short(self.view, position + 6)[0], position + 8

    def _skip_sequence(self, position: int, explicit: bool) -> int:
        while True:
            tag, _, length, start = self._element(position, explicit)
            if tag == _SEQUENCE_END:
                return start
            if tag != _ITEM:
                raise MalformedDataSet("A sequence holds something else than items.")
            position = self._skip_item(start, explicit) if length == _UNDEFINED else start + length

    def _skip_item(self, position: int, explicit: bool) -> int:
        while True:
            tag, vr, length, start = self._element(position, explicit)
            if tag == _ITEM_END:
                return start
            if length == _UNDEFINED:
                position = self._skip_sequence(start, explicit and vr != b"UN")
            else:
                position = start + length
