"""Searches outgoing headers for identifiers of the patient, independent of the engine.

Every element is walked, and looked at where it may break a rule or hold an old UID. For the rest a
search of the bytes, squeezed to small letters without separators, decides almost every object:
nothing of the patient is in there in any encoding. Otherwise the elements are weighed one by one;
since the objects of a series share most values, a verdict is kept by tag and value.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from pydicom.datadict import keyword_for_tag

from .codec import Encoding
from .leak_identifiers import (
    PATIENT_ID_TAGS,
    Identifiers,
    RawIdentifiers,
    identifiers,
    raw_identifiers,
)
from .leak_needles import SEPARATORS
from .leak_readings import readings
from .leak_rules import OutgoingRules
from .leak_spelling import foldings, plain_words
from .leak_walk import LeafWalk, Unreadable, vr_by_dictionary
from .report import Finding, FindingKind

_UID = re.compile(rb"(?<![\d.])[0-2]\.(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){3,}")
_STANDARD_ROOT, _MAPPED_ROOT = b"1.2.840.10008.", b"2.25."
_UID_OF_A_DEFINITION = re.compile(
    r"Class|CodingScheme|ContextUID|ContextGroup|Creator|MappingResource|TransferSyntax|Template"
)
_SHORTEST_UID_IN_TEXT = 20
_NUMBERS_AS_TEXT = frozenset(b"DA TM DT DS IS AS UI".split())
_DATES = frozenset({b"DA", b"DT"})
_BYTES = frozenset({b"OB", b"UN"})
_NUMBERS = frozenset(b"US SS UL SL FL FD AT OF OD OL OV SV UV OW".split())
_SHORTEST_NAME_IN_NUMBERS = 6
_CACHE_LIMIT = 64
_MEMO_LIMIT = 20_000
_REQUIRED = (0x00100010, 0x00100020, 0x00120062)

_OLD_UID, _JUDGED, _PRIVATE = 1, 2, 4


class LeakGate:
    """Checks outgoing headers against the source they came from.

    Args:
        check_uids: Whether UIDs of the source may not be left.
        rules: Rules that outgoing headers obey, if these are to be checked too.
    """

    def __init__(self, check_uids: bool = True, rules: OutgoingRules | None = None) -> None:
        self._check_uids = check_uids
        self._rules = rules
        self._known: OrderedDict[RawIdentifiers, Identifiers] = OrderedDict()
        self._kinds_of_tag: dict[int, int] = {}
        self._walk_of_all, self._walk = LeafWalk(), LeafWalk(self._is_looked_at)

    def check(
        self,
        before: bytes,
        after: bytes,
        encoding: Encoding,
        patient: bytes | None = None,
        whole: bool = False,
    ) -> list[Finding]:
        """Identifiers of the patient left in `after`, and rules that it breaks.

        Args:
            before: Elements as they came, encoded.
            after: The same elements as they go out.
            encoding: Of both.
            patient: Header that identifies the patient, if that is not `before`.
            whole: `after` is a whole header, which lacks nothing that the rules ask for.
        """
        if not after:
            return []
        source = before if patient is None else patient
        wanted = self._identifiers(raw_identifiers(source, encoding.big_endian))
        squeezed = after.lower().translate(None, SEPARATORS)
        suspicious = any(needle in squeezed for needle in wanted.needles)
        found: dict[Finding, None] = {}
        try:
            walk = self._walk_of_all if suspicious else self._walk
            elements = walk.leaves(after, encoding.implicit, encoding.big_endian)
        except Unreadable:  # what cannot be cleared is held
            kind = FindingKind.PATIENT_NAME if suspicious else FindingKind.RULE_VIOLATION
            return [Finding(0, "", kind)]
        memo, kinds_of_tag = wanted.memo, self._kinds_of_tag
        mapped_before = _MAPPED_ROOT in before
        judged: set[int] = set()
        pseudonym = self._rules.pseudonym.lower() if self._rules else b""
        for tag, vr, start, end in elements:
            kind = kinds_of_tag.get(tag)
            if kind is None:
                kind = self._kind_of_tag(tag)
            if kind:
                value = after[start:end]
                if kind & _JUDGED and self._rules:
                    judged.add(tag)
                    if self._rules.broken_by(tag, value):
                        _report(found, tag, FindingKind.RULE_VIOLATION)
                if (kind & _OLD_UID or (kind & _PRIVATE and vr == b"UI")) and _is_old_uid(
                    value, before, mapped_before
                ):
                    _report(found, tag, FindingKind.ORIGINAL_UID)
            if suspicious:
                key = (tag, vr, after[start:end])
                verdict = memo.get(key)
                if verdict is None:
                    if len(memo) > _MEMO_LIMIT:
                        memo.clear()
                    verdict = memo[key] = _verdict(wanted, pseudonym, *key)
                for identifier in verdict:
                    _report(found, tag, identifier)
        if self._check_uids and b"." in after:
            self._uids_in_text(before, after, elements, found)
        if whole and self._rules:
            for tag in _REQUIRED:
                if tag not in judged:
                    _report(found, tag, FindingKind.RULE_VIOLATION)
        return list(found)

    def _kind_of_tag(self, tag: int) -> int:
        kind = 0
        if self._rules and self._rules.looks_at(tag):
            kind |= _JUDGED
        if self._check_uids:
            definition = _UID_OF_A_DEFINITION.search(keyword_for_tag(tag))
            if tag >> 16 & 1:
                kind |= _PRIVATE
            elif vr_by_dictionary(tag) == b"UI" and not definition:
                kind |= _OLD_UID
        self._kinds_of_tag[tag] = kind
        return kind

    def _is_looked_at(self, tag: int, vr: bytes, length: int) -> bool:
        """Whether an element matters although nothing of the patient is in the header."""
        return bool(self._kind_of_tag(tag)) or (
            self._check_uids and length >= _SHORTEST_UID_IN_TEXT and _may_hold_text(vr)
        )

    def _uids_in_text(
        self, before: bytes, after: bytes, elements: list, found: dict[Finding, None]
    ) -> None:
        """Old UIDs where no UIDs belong."""
        for tag, vr, start, end in elements:
            if end - start < _SHORTEST_UID_IN_TEXT or not _may_hold_text(vr):
                continue
            if after.count(b".", start, end) < 4:
                continue
            for uid in _UID.findall(after[start:end]):
                foreign = not uid.startswith(_STANDARD_ROOT)
                if len(uid) >= _SHORTEST_UID_IN_TEXT and foreign and uid in before:
                    _report(found, tag, FindingKind.ORIGINAL_UID)

    def _identifiers(self, raw: RawIdentifiers) -> Identifiers:
        known = self._known.get(raw)
        if known is None:
            known = self._known[raw] = identifiers(raw)
            if len(self._known) > _CACHE_LIMIT:
                self._known.popitem(last=False)
        return known


def _may_hold_text(vr: bytes) -> bool:
    return vr not in _NUMBERS_AS_TEXT and vr not in _NUMBERS


def _report(found: dict[Finding, None], tag: int, kind: FindingKind) -> None:
    found[Finding(tag, "" if tag >> 16 & 1 else keyword_for_tag(tag), kind)] = None


def _is_old_uid(value: bytes, before: bytes, mapped_before: bool) -> bool:
    if value.startswith(_MAPPED_ROOT) and not mapped_before and b"\\" not in value:
        return False
    return any(
        uid.count(b".") >= 4 and not uid.startswith(_STANDARD_ROOT) and uid in before
        for part in value.split(b"\\")
        if (uid := part.strip(b" \0"))
    )


def _verdict(
    wanted: Identifiers, pseudonym: bytes, tag: int, vr: bytes, value: bytes
) -> tuple[FindingKind, ...]:
    """Kinds of identifiers that an element holds."""
    squeezed = value.lower().translate(None, SEPARATORS)
    if not any(needle in squeezed for needle in wanted.needles):
        return ()
    if vr == b"UN" and not tag >> 16 & 1:
        vr = vr_by_dictionary(tag)
    keyword = "" if tag >> 16 & 1 else keyword_for_tag(tag)
    kinds: set[FindingKind] = set()
    if vr in _DATES and ("Birth" in keyword or not keyword):
        digits = value.decode("ascii", "replace").translate(str.maketrans("", "", "-./:"))
        if any(part.strip()[:8] in wanted.compact_birth_dates for part in digits.split("\\")):
            kinds.add(FindingKind.BIRTH_DATE)
    of_bytes = vr in _BYTES or vr in _NUMBERS
    for text in readings(value, wanted.encodings, of_bytes):
        folded = foldings(text)
        if _has_name(wanted, vr, folded, pseudonym):
            kinds.add(FindingKind.PATIENT_NAME)
        if vr in _NUMBERS or (vr in _NUMBERS_AS_TEXT and vr != b"IS"):
            continue
        kinds |= _kinds_in_text(wanted, tag, vr, folded[0], of_bytes)
    return tuple(sorted(kinds))


def _kinds_in_text(
    wanted: Identifiers, tag: int, vr: bytes, text: str, of_bytes: bool
) -> set[FindingKind]:
    kinds: set[FindingKind] = set()
    if wanted.birth_dates and wanted.birth_dates.search(text):
        kinds.add(FindingKind.BIRTH_DATE)
    if vr == b"IS":
        return kinds
    ids = wanted.ids_in_bytes if of_bytes else wanted.ids
    if ids and ids.search(text):
        kinds.add(FindingKind.PATIENT_ID)
    if tag in PATIENT_ID_TAGS and wanted.short_ids:
        values = {part.strip(" \0") for part in text.split("\\")}
        if values & wanted.short_ids:
            kinds.add(FindingKind.PATIENT_ID)
    numbers = wanted.accession_numbers_in_bytes if of_bytes else wanted.accession_numbers
    if numbers and numbers.search(text):
        kinds.add(FindingKind.ACCESSION_NUMBER)
    if wanted.addresses:
        words = plain_words(text)
        if any(line in words for line in wanted.addresses):
            kinds.add(FindingKind.ADDRESS)
    if wanted.phones:
        digits = re.sub(r"(?<=\d)[\s()/.+-]+(?=\d)", "", text)
        if any(phone in digits for phone in wanted.phones):
            kinds.add(FindingKind.PHONE)
    return kinds


def _has_name(wanted: Identifiers, vr: bytes, folded: tuple[str, str], pseudonym: bytes) -> bool:
    for text in set(folded):
        if vr in _NUMBERS:  # short words turn up in numbers by chance
            if any(
                telling
                and (match := pattern.search(text))
                and len(match[0]) >= _SHORTEST_NAME_IN_NUMBERS
                for pattern, telling in wanted.names
            ):
                return True
            continue
        person = vr == b"PN" and text.strip(" \0").encode() != pseudonym
        if any((telling or person) and pattern.search(text) for pattern, telling in wanted.names):
            return True
        if vr != b"CS" and wanted.whole_names and wanted.whole_names.search(text):
            return True
        if vr == b"PN" and text.strip(" ^=\0") in wanted.lone_names:
            return True
    return False
