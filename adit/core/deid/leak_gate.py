"""Searches outgoing headers for identifiers of the patient, independent of the engine.

Every element is walked, and judged where it may break a rule or hold an old UID. What the elements
say is weighed once: the objects of a series share most values, so an element that was clean before
is passed over. Of what is new, a search of the bytes, squeezed to small letters without separators,
decides almost all at once: nothing of the patient is in there in any encoding. Otherwise, and where
there are escapes as in URLs and HTML, the new elements are weighed one by one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from pydicom.datadict import keyword_for_tag

from .leak_ages import is_old_age, may_tell_old_age
from .leak_escapes import has_escapes, written_part
from .leak_identifiers import Identifiers, identifiers
from .leak_needles import has_any, squeezed_text
from .leak_numbers import UID_BY_FORM, Numbers
from .leak_rules import OutgoingRules
from .leak_sources import (
    DATES_OF_STUDY,
    ORDERS,
    PERSONS,
    PERSONS_BY_CODE,
    RawIdentifiers,
    raw_identifiers,
)
from .leak_uids import OldUids, is_uid_of_a_definition, may_hold_uid
from .leak_verdict import BYTES, TEXT, is_binary, verdict
from .leak_walk import LONG_ELEMENT, HeaderEncoding, Leaf, LeafWalk, Unreadable, vr_by_dictionary
from .report import Finding, FindingKind

_CACHE_LIMIT = 64
_MEMO_LIMIT = 20_000
_REQUIRED = (0x00100010, 0x00100020, 0x00120062)
_PATIENT_ID = 0x00100020
_PLAIN = bytes((0, 9, 10, 12, 13, *range(32, 127)))
"""Bytes of text that needs no decoding. A NULL is one of UTF-16, and dropped in the search."""

_OF_UIDS = b"0123456789.\0 "
_JOINT = b"\x01"
_MOST_ESCAPED = 1 << 20
"""Characters in one binary element that are read without their escapes; with more it is held."""

_MOST_READ = 1 << 21
"""Bytes of text in one object that are read in every encoding; what is beyond is held."""

_FEW = 4
_DATE = FindingKind.ORIGINAL_DATE
_UID, _UID_OF_A_DEFINITION, _JUDGED = 1, 2, 4

_New = tuple[Leaf, bytes, bytes, bool]
"""An element not seen before, as encoded (long ones digested), its value, and whether that may hold
a UID in text."""


class LeakGate:
    """Checks outgoing headers against the source they came from.

    Args:
        check_uids: Whether UIDs of the source may not be left.
        rules: Rules that outgoing headers obey, if these are to be checked too.
        patient: Tags and values of what is known of the patient beside the headers.
        check_dates: Whether text may not tell dates of the study.
    """

    def __init__(
        self,
        check_uids: bool = True,
        rules: OutgoingRules | None = None,
        patient: RawIdentifiers = (),
        check_dates: bool = True,
    ) -> None:
        self._check_uids = check_uids
        self._check_dates = check_dates
        self._rules = rules
        self._patient = patient
        self._pseudonym = rules.pseudonym.lower() if rules else b""
        self._known: OrderedDict[tuple[RawIdentifiers, HeaderEncoding], Identifiers] = OrderedDict()
        self._kinds_of_tag: dict[int, int] = {}
        self._walk = LeafWalk(self._is_always_listed)

    def check(
        self,
        before: bytes,
        after: bytes,
        encoding: HeaderEncoding,
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
        wanted = self._identifiers(before if patient is None else patient, encoding)
        try:
            elements = self._walk.leaves(
                after, encoding.implicit, encoding.big_endian, wanted.clean
            )
        except Unreadable:  # what cannot be cleared is held
            kind = (
                FindingKind.PATIENT_NAME
                if wanted.may_be_said_in(after)
                else FindingKind.RULE_VIOLATION
            )
            return [Finding(0, "", kind)]
        uids = OldUids(before, encoding)
        memo, kinds_of_tag, rules = wanted.memo, self._kinds_of_tag, self._rules
        check_uids = self._check_uids
        found: dict[Finding, None] = {}
        new: list[_New] = []
        judged: set[int] = set()
        for leaf in elements:
            tag, vr, begin, start, end = leaf
            kind = kinds_of_tag.get(tag)
            if kind is None:
                kind = self._kind_of_tag(tag)
            value = after[start:end]
            if kind & _JUDGED and rules:
                judged.add(tag)
                if rules.broken_by(tag, value):
                    _report(found, tag, FindingKind.RULE_VIOLATION)
            key = after[begin:end]
            if len(key) >= LONG_ELEMENT:
                key = after[begin:start] + blake2b(value).digest()
            known = memo.get(key)
            if known is None:
                known = (), check_uids and may_hold_uid(value)
                new.append((leaf, key, value, known[1]))
            for identifier in known[0]:
                if identifier is not _DATE or self._came_so(leaf, after, before):
                    _report(found, tag, identifier)
            if check_uids and (kind or known[1] or vr == b"UI"):
                if kind & _UID_OF_A_DEFINITION:
                    old = uids.define(value)
                elif vr == b"UI" or kind & _UID:
                    old = uids.stand_in(value)
                else:
                    old = False
                if old or (
                    known[1] and (vr != b"UI" or b"\0." in value) and uids.stand_within(value)
                ):
                    _report(found, tag, FindingKind.ORIGINAL_UID)
        if new:
            for leaf, identifier in self._weigh(new, wanted, encoding):
                if identifier is not _DATE or self._came_so(leaf, after, before):
                    _report(found, leaf[0], identifier)
        if whole and rules:
            for tag in _REQUIRED:
                if tag not in judged:
                    _report(found, tag, FindingKind.RULE_VIOLATION)
        return list(found)

    def _came_so(self, leaf: Leaf, after: bytes, before: bytes) -> bool:
        """Whether a date of the study may be one that was left.

        A moved date may be the day of the study by chance; one that was left stands in the source,
        element by element. What the owner of the profile has ruled about it stays.
        """
        tag, vr, begin, _, end = leaf
        if vr not in (b"DA", b"DT"):
            return True
        ruled = self._rules is not None and tag in self._rules.own
        return not ruled and after[begin:end] in before

    def _weigh(
        self, new: Iterable[_New], wanted: Identifiers, encoding: HeaderEncoding
    ) -> Iterator[tuple[Leaf, FindingKind]]:
        """Looks into elements that no object before had, and remembers what they say."""
        if len(wanted.memo) + len(wanted.clean) > _MEMO_LIMIT:
            wanted.memo.clear()
            wanted.clean.clear()
        texts: list[_New] = []
        binaries: list[_New] = []
        doubtful: list[_New] = []
        clean: list[_New] = []
        for item in new:
            vr, value = item[0][1], item[2]
            if is_binary(vr):
                binaries.append(item)
            elif value.translate(None, _PLAIN):  # not ASCII, or with escape sequences
                doubtful.append(item)
            elif vr == b"AS":
                (doubtful if is_old_age(value) else texts).append(item)
            elif vr == b"UI" and not value.translate(None, _OF_UIDS):
                if not UID_BY_FORM.match(value):
                    texts.append(item)
                    continue
                (doubtful if wanted.numbers.may_be_in_uid(value) else clean).append(item)
            else:
                texts.append(item)
        if has_escapes(_joined(texts)):
            doubtful += [item for item in texts if has_escapes(item[2])]
            texts = [item for item in texts if not has_escapes(item[2])]
        if self._may_hide([item for item in texts if item[0][1] in TEXT], wanted):
            doubtful += (i for i in texts if self._is_aside(i, wanted))
            texts = [item for item in texts if not self._is_aside(item, wanted)]
        if any(_is_array(item) for item in texts):
            doubtful += filter(_is_array, texts)
            texts = [item for item in texts if not _is_array(item)]
        needles = wanted.needles_in_text
        if has_any(squeezed_text(_joined(texts)), needles):
            for item in texts:
                hit = has_any(squeezed_text(item[2]), needles)
                (doubtful if hit else clean).append(item)
        else:
            clean += texts
        for item in filter(_is_too_long, binaries):
            self._remember(wanted, item, (FindingKind.UNCHECKED,))
            yield item[0], FindingKind.UNCHECKED
        binaries = [item for item in binaries if not _is_too_long(item)]
        if binaries:
            numbers = self._with_numbers(binaries, wanted.numbers, encoding.big_endian)
            readable = wanted.may_be_said_in(_joined(binaries))
            for item in binaries:
                hit = item[0] in numbers or (readable and wanted.may_be_said_in(item[2]))
                hit = hit or self._may_spell(item, wanted, encoding.big_endian)
                (doubtful if hit else clean).append(item)
        for item in clean:
            self._remember(wanted, item, ())
        read = 0
        for item in doubtful:
            tag, vr, *_ = item[0]
            read += 0 if is_binary(vr) else len(item[2])
            said = (FindingKind.UNCHECKED,)
            if read <= _MOST_READ:
                said = verdict(wanted, self._pseudonym, encoding.big_endian, tag, vr, item[2])
            self._remember(wanted, item, said)
            for identifier in said:
                yield item[0], identifier

    def _is_aside(self, item: _New, wanted: Identifiers) -> bool:
        return item[0][1] in TEXT and self._may_hide([item], wanted)

    @staticmethod
    def _may_hide(items: list[_New], wanted: Identifiers) -> bool:
        """Whether texts may say what no search for words finds."""
        said = _joined(items)
        return bool(said) and (
            bool(wanted.hidden.found_in(said))
            or (wanted.may_be_old and may_tell_old_age(said))
            or has_any(squeezed_text(said), wanted.needles_of_study)
        )

    @staticmethod
    def _may_spell(item: _New, wanted: Identifiers, big: bool) -> bool:
        """Whether bytes may say something in a form that no search for words finds."""
        vr, value = item[0][1], item[2]
        return bool(wanted.hidden.spelled_in(value, vr, big)) or (
            vr in BYTES and bool(wanted.hidden.found_in(value))
        )

    def _with_numbers(self, items: list[_New], numbers: Numbers, big: bool) -> set[Leaf]:
        """Binary elements that may hold one of the numbers: all of a VR, or none of it."""
        if not (numbers.strong or numbers.weak):
            return set()
        by_vr: dict[bytes, list[_New]] = {}
        for item in items:
            by_vr.setdefault(item[0][1], []).append(item)
        return {
            item[0]
            for vr, alike in by_vr.items()
            if numbers.may_be_in(vr, [item[2] for item in alike], big)
            for item in alike
        }

    def _remember(self, wanted: Identifiers, item: _New, said: tuple[FindingKind, ...]) -> None:
        (tag, vr, begin, start, end), key, _, may_hold = item
        listed = end - begin >= LONG_ELEMENT or self._is_always_listed(tag, vr, end - start)
        if said or may_hold or listed:
            wanted.memo[key] = said, may_hold
        else:
            wanted.clean.add(key)

    def _kind_of_tag(self, tag: int) -> int:
        kind = 0
        if self._rules and self._rules.looks_at(tag):
            kind |= _JUDGED
        if self._check_uids and vr_by_dictionary(tag) == b"UI":
            kind |= _UID_OF_A_DEFINITION if is_uid_of_a_definition(tag) else _UID
        self._kinds_of_tag[tag] = kind
        return kind

    def _is_always_listed(self, tag: int, vr: bytes, length: int) -> bool:
        """Whether an element is judged by more than what it says of the patient."""
        return bool(self._kind_of_tag(tag)) or (self._check_uids and vr == b"UI")

    def _identifiers(self, source: bytes, encoding: HeaderEncoding) -> Identifiers:
        raw = raw_identifiers(source, encoding.implicit, encoding.big_endian)
        known = self._known.get((raw, encoding))
        if known is None:
            of_header = (item for item in raw if self._identifies(*item))
            known = identifiers(
                tuple(dict.fromkeys((*of_header, *self._patient))), self._check_dates
            )
            self._known[raw, encoding] = known
            if len(self._known) > _CACHE_LIMIT:
                self._known.popitem(last=False)
        return known

    def _identifies(self, tag: int, value: bytes) -> bool:
        """Whether a value of the source may not be left.

        The new pseudonym may be an old one of the patient, and what the owner of the profile has
        ruled about names of other persons, orders and dates is not held against these rules.
        """
        ruled = tag in ORDERS or tag in PERSONS or tag in DATES_OF_STUDY or tag == PERSONS_BY_CODE
        if self._rules and ruled and tag in self._rules.own:
            return False
        if tag == _PATIENT_ID or not self._pseudonym or tag >> 16 != 0x0012:
            return True
        return value.strip(b" \0").lower() != self._pseudonym


def _is_too_long(item: _New) -> bool:
    """Whether bytes have more escaped text than can be read."""
    if len(item[2]) <= _MOST_ESCAPED:
        return False
    written = written_part(item[2])
    return len(written) > _MOST_ESCAPED and has_escapes(written)


def _is_array(item: _New) -> bool:
    return item[0][1] == b"IS" and item[2].count(b"\\") > _FEW


def _joined(items: list[_New]) -> bytes:
    return _JOINT.join([value for _, _, value, _ in items])


def _report(found: dict[Finding, None], tag: int, kind: FindingKind) -> None:
    found[Finding(tag, "" if tag >> 16 & 1 else keyword_for_tag(tag), kind)] = None
