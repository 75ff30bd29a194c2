"""Searches outgoing headers for identifiers of the patient, independent of the engine.

A quick search for bytes decides almost every object: nothing of the patient is in there in any
encoding. Only where something is, the header is parsed (by pydicom, not by the engine's codec) to
tell the element and to weigh what was found.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from io import BytesIO

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.sequence import Sequence

from .codec import Encoding
from .leak_identifiers import (
    COMMON_WORDS,
    Identifiers,
    RawIdentifiers,
    decode,
    encodings_of,
    foldings,
    identifiers,
    raw_identifiers,
)
from .report import Finding, FindingKind

_UID = re.compile(rb"(?<![\d.])[0-2]\.(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){3,}")
_STANDARD_ROOT = b"1.2.840.10008."
_UID_OF_A_DEFINITION = re.compile(
    r"Class|CodingScheme|ContextUID|ContextGroup|Creator|MappingResource|TransferSyntax|Template"
)
_SHORTEST_UID_IN_TEXT = 20
_VRS_WITHOUT_TEXT = "DA TM DT DS IS AS UI US SS UL SL FL FD AT OF OD OL OV SV UV OW"
_NO_TEXT = frozenset(_VRS_WITHOUT_TEXT.split())
_DATES = frozenset({"DA", "DT"})
_BYTES = frozenset({"OB", "UN"})
_LATIN_PART_INSIDE_WORDS = 6
_ID_INSIDE_TEXT = 6
_CACHE_LIMIT = 64


class LeakGate:
    """Checks outgoing headers against the source they came from."""

    def __init__(self, check_uids: bool = True) -> None:
        self._check_uids = check_uids
        self._known: OrderedDict[RawIdentifiers, Identifiers] = OrderedDict()

    def check(
        self, before: bytes, after: bytes, encoding: Encoding, patient: bytes | None = None
    ) -> list[Finding]:
        """Identifiers of the patient left in `after`.

        Args:
            before: Elements as they came, encoded.
            after: The same elements as they go out.
            encoding: Of both.
            patient: Header that identifies the patient, if that is not `before`.
        """
        if not after:
            return []
        wanted = self._identifiers(raw_identifiers(patient or before, encoding.big_endian))
        lowered = after.lower()
        suspicious = [needle for needle in wanted.needles if needle in lowered]
        uids: set[bytes] = set()
        if self._check_uids:
            uids = {
                uid
                for uid in set(_UID.findall(after))
                if not uid.startswith(_STANDARD_ROOT) and uid in before
            }
        if not suspicious and not uids:
            return []
        found: dict[Finding, None] = {}
        try:
            dataset = read_dataset(BytesIO(after), encoding.implicit, not encoding.big_endian)
            for tag, vr, value, encodings in _leaves(dataset, wanted.encodings):
                keyword = "" if tag >> 16 & 1 else keyword_for_tag(tag)
                kinds: set[FindingKind] = set()
                lowered = value.lower()
                if any(needle in lowered for needle in suspicious):
                    kinds.update(_kinds(wanted, keyword, vr, value, encodings))
                if uids and _holds_uid(uids, keyword, vr, value):
                    kinds.add(FindingKind.ORIGINAL_UID)
                for kind in sorted(kinds):
                    found[Finding(tag, keyword, kind)] = None
        except Exception:  # whatever pydicom meets in there: what cannot be cleared is held
            kind = FindingKind.PATIENT_NAME if suspicious else FindingKind.ORIGINAL_UID
            found[Finding(0, "", kind)] = None
        return list(found)

    def _identifiers(self, raw: RawIdentifiers) -> Identifiers:
        known = self._known.get(raw)
        if known is None:
            known = self._known[raw] = identifiers(raw)
            if len(self._known) > _CACHE_LIMIT:
                self._known.popitem(last=False)
        return known


def _leaves(dataset: Dataset, encodings: list[str]) -> Iterator[tuple[int, str, bytes, list[str]]]:
    """Tag, VR, raw value and encodings of every element that is no sequence."""
    declared = dataset.get_item(0x00080005)
    if isinstance(declared, RawDataElement) and declared.value:
        encodings = list(dict.fromkeys((*encodings_of([declared.value]), *encodings)))
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag)
        vr = str(getattr(raw, "VR", None) or _dictionary_vr(tag))
        if vr == "UN" and not tag.is_private and _dictionary_vr(tag) != "SQ":
            vr = _dictionary_vr(tag)
        if isinstance(raw, RawDataElement) and vr != "SQ":
            yield int(tag), vr, raw.value or b"", encodings
            continue
        value = dataset[tag].value
        if isinstance(value, Sequence):
            for item in value:
                yield from _leaves(item, encodings)
        elif isinstance(value, bytes):
            yield int(tag), "UN", value, encodings
        else:  # pydicom converts the few elements that tell how to read the others
            yield int(tag), vr, str(value).encode(), encodings


def _dictionary_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _holds_uid(uids: set[bytes], keyword: str, vr: str, value: bytes) -> bool:
    if _UID_OF_A_DEFINITION.search(keyword):
        return False
    if vr == "UI":
        return any(part.strip(b" \0") in uids for part in value.split(b"\\"))
    return any(len(uid) >= _SHORTEST_UID_IN_TEXT and uid in value for uid in uids)


def _kinds(
    wanted: Identifiers, keyword: str, vr: str, value: bytes, encodings: list[str]
) -> Iterator[FindingKind]:
    if vr in _DATES and "Birth" in keyword and decode(value[:8], []) in wanted.compact_birth_dates:
        yield FindingKind.BIRTH_DATE
    if vr in _NO_TEXT:
        return
    texts = {decode(value, encodings)}
    if vr in _BYTES and not value.isascii():
        texts |= {value.decode(encoding, "replace") for encoding in encodings}
    elif not value.isascii():
        texts |= {value.decode(encoding, "replace") for encoding in ("utf-8", "latin-1")}
    for text in texts:
        folded = foldings(text)
        for kind, is_in in (
            (FindingKind.PATIENT_NAME, _has_name(wanted, vr, folded)),
            (FindingKind.PATIENT_ID, _has_id(wanted.ids, vr, folded[0])),
            (FindingKind.ACCESSION_NUMBER, _has_id(wanted.accession_numbers, vr, folded[0])),
            (
                FindingKind.BIRTH_DATE,
                wanted.birth_dates is not None and wanted.birth_dates.search(folded[0]),
            ),
            (FindingKind.ADDRESS, any(line in folded[0] for line in wanted.addresses)),
            (FindingKind.PHONE, _has_phone(wanted.phones, folded[0])),
        ):
            if is_in:
                yield kind


def _has_name(wanted: Identifiers, vr: str, folded: tuple[str, str]) -> bool:
    parts = [spellings for spellings in wanted.names if _has_part(spellings, folded)]
    telling = [spellings for spellings in parts if not spellings & COMMON_WORDS]
    return bool(telling) or len(parts) >= 2 or (bool(parts) and vr == "PN")


def _has_part(spellings: frozenset[str], folded: tuple[str, str]) -> bool:
    for text in set(folded):
        for part in spellings:
            if part not in text:
                continue
            inside = len(part) >= _LATIN_PART_INSIDE_WORDS or (
                not part.isascii() and part.lower() == part.upper()
            )
            if inside or re.search(rf"(?<![^\W\d_]){re.escape(part)}(?![^\W\d_])", text):
                return True
    return False


def _has_id(ids: frozenset[str], vr: str, text: str) -> bool:
    for identifier in ids:
        if identifier not in text:
            continue
        if len(identifier) < _ID_INSIDE_TEXT:
            if vr in _BYTES:
                continue
            if any(value.strip(" \0") == identifier for value in re.split(r"[\\\s,;:=_^]", text)):
                return True
        elif re.search(rf"(?<![^\W_]){re.escape(identifier)}(?![^\W_])", text):
            return True
    return False


def _has_phone(phones: frozenset[str], text: str) -> bool:
    if not phones:
        return False
    digits = re.sub(r"(?<=\d)[\s()/.+-]+(?=\d)", "", text)
    return any(phone in digits for phone in phones)
