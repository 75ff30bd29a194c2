"""Applies the rules to parsed elements and yields the new bytes; runs of kept elements are copied.

The hot path is one dictionary look-up per kept element, and two for a changed one: rules are
cached per tag, replacements per rule and raw value, since the objects of a series share most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from .actions import Action, Rule
from .charset import UTF_8, Charset, charset
from .codec import (
    TEXT_VRS,
    WIDTHS,
    Element,
    Encoding,
    Item,
    element_header,
    encode_item,
    pad,
    swapped,
    vr_of_tag,
)
from .coding_schemes import CODING_SCHEME_DESIGNATOR, is_published
from .own_actions import KEEP, REMOVE
from .patient import SPECIFIC_CHARACTER_SET, PatientContext
from .private_rules import NOT_ON_THE_LIST, PrivateLevel, PrivateRules
from .profile import Profile
from .rules import UNKNOWN, decide, rules_of_published_codes
from .structured_content import (
    CONTENT_SEQUENCES,
    RULES_OF_THE_SUBJECT,
    WORDS,
    concept_of,
    says_who,
)

_MEMO_LIMIT = 20_000

Insertion = tuple[int, bytes]
"""Tag and encoded element, written at its place in the top level in place of what stood there."""


class Trace(Protocol):
    """Told of each element as the engine meets it; the preview is one."""

    def begin(
        self,
        buffer: bytes,
        insertions: Sequence[Insertion],
        encoding: Encoding,
        charset: Charset,
    ) -> None:
        """The source's header, and what will be written into it, in which character set."""
        ...

    def go_on(self, buffer: bytes) -> None:
        """Elements behind the pixel data follow, of this buffer."""
        ...

    def enter(self, element: Element, rule: Rule, why: str, charset: Charset) -> None:
        """An element and what is done with it."""
        ...

    def changed(self, new: bytes, charset: Charset) -> None:
        """The value of the element entered last, as it goes out."""
        ...

    def replaced(self, element: Element, charset: Charset) -> None:
        """An element in whose place an inserted one stands."""
        ...

    def dummy_items(self, any_item: bool) -> None:
        """The sequence entered last gets dummy items, or none."""
        ...

    def descend(self, tag: int, number: int) -> None:
        """An item of a sequence begins."""
        ...

    def ascend(self) -> None:
        """The item ends."""
        ...


class RuleBook:
    """The rules of a profile for one SOP class, looked up as tags are met."""

    def __init__(self, profile: Profile, sop_class_uid: str) -> None:
        self.profile = profile
        self.sop_class_uid = sop_class_uid
        self.private = PrivateRules(profile)
        self.known: dict[int, Rule] = {}
        self.words: dict[int, str] = {}

    @cached_property
    def of_the_subject(self) -> RuleBook:
        """The rules inside of structured content that says what the header must not."""
        book = RuleBook(self.profile, self.sop_class_uid)
        book.known.update(RULES_OF_THE_SUBJECT)
        book.words.update(dict.fromkeys(RULES_OF_THE_SUBJECT, WORDS))
        return book

    @cached_property
    def of_published_codes(self) -> RuleBook:
        """The rules inside of codes whose meaning nobody has written freely."""
        book = RuleBook(self.profile, self.sop_class_uid)
        for tag, (rule, words) in rules_of_published_codes(self.profile).items():
            book.known[tag], book.words[tag] = rule, words
        return book

    def find(self, tag: int) -> Rule:
        rule, self.words[tag] = decide(self.profile, tag, self.sop_class_uid)
        number = tag & 0xFFFF
        creator = tag >> 16 & 1 and 0x10 <= number <= 0xFF  # looked at, to be counted
        if tag >> 16 & 1 and not creator and not self.private.any_stays:
            rule, self.words[tag] = REMOVE, NOT_ON_THE_LIST
        self.known[tag] = rule
        return rule


class Rewriter:
    """Rewrites the elements of one object's header."""

    def __init__(
        self,
        buffer: bytes,
        rules: RuleBook,
        context: PatientContext,
        trace: Trace | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.unknown: Counter[tuple[int, bytes]] = Counter()
        self._trace = trace
        self._buffer = buffer
        self._rules = self._rules_of_all = rules
        self._context = context
        self._source = context.source_charset
        self._memo = context.memo.setdefault(self._source.declared, {})
        if len(self._memo) > _MEMO_LIMIT:
            self._memo.clear()

    def behind_pixels(self, buffer: bytes) -> Rewriter:
        """The same for another buffer, counting on."""
        self._buffer = buffer
        if self._trace is not None:
            self._trace.go_on(buffer)
        return self

    def rewrite(
        self,
        elements: Sequence[Element],
        encoding: Encoding,
        insertions: Sequence[Insertion] = (),
        replaced: frozenset[int] = frozenset(),
    ) -> list[bytes] | None:
        """New bytes of the elements in pieces, `None` if all stay as they are.

        Args:
            elements: Elements of one level, in their order.
            encoding: Of this level.
            insertions: Elements to write, ascending; top level only.
            replaced: Tags whose elements are left out, since insertions stand for them.
        """
        buffer, known, counts, memo = self._buffer, self._rules.known, self.counts, self._memo
        transcoded = self._context.transcoded
        trace = self._trace
        copying = not transcoded and trace is None
        big = encoding.big_endian
        pieces: list[bytes] = []
        kept = 0
        copied = elements[0].start if elements else 0
        private: PrivateLevel | None = None
        any_private = self._rules.private.any_stays
        pending = iter(insertions)
        insertion = next(pending, None)
        insert_at = insertion[0] if insertion else 0xFFFFFFFF
        end = copied
        for tag, vr, start, value, end, items in elements:  # noqa: B007
            while tag >= insert_at:
                pieces.append(buffer[copied:start])
                copied = start
                assert insertion is not None
                pieces.append(insertion[1])
                insertion = next(pending, None)
                insert_at = insertion[0] if insertion else 0xFFFFFFFF
            rule = known.get(tag) or self._rules.find(tag)
            if tag in replaced:
                copied = self._leave(pieces, copied, start, end)
                if trace is not None:
                    trace.replaced(Element(tag, vr, start, value, end, items), self._source)
                continue
            elif rule is KEEP and items is None and copying:
                kept += 1
                continue
            new: bytes | None
            why, meant = "", vr
            if rule.look:
                if rule is UNKNOWN:
                    self.unknown[tag, b""] += 1
                    rule = REMOVE
                else:
                    if not any_private:
                        rule, why = REMOVE, NOT_ON_THE_LIST
                    else:
                        if private is None:
                            private = PrivateLevel(self._rules.private, elements, buffer)
                        element = Element(tag, vr, start, value, end, items)
                        rule, why, meant = private.decide(element)
                    if rule is REMOVE and 0x10 <= tag & 0xFFFF <= 0xFF:
                        self.unknown[tag, buffer[value:end]] += 1
            if trace is not None:
                element = Element(tag, meant, start, value, end, items)
                trace.enter(element, rule, why or self._rules.words[tag], self._source)
            if rule is REMOVE:
                new = None
            elif items is not None:
                new = self._sequence(Element(tag, vr, start, value, end, items), encoding, rule)
                if new is None:
                    counts[rule.action] += 1
                    continue
            else:
                raw = buffer[value:end]
                key = (rule, raw, meant)
                if transcoded:
                    new = self._transcoded(rule, tag, meant, raw, big)
                elif big and meant in WIDTHS:
                    new = self._apply(rule, tag, meant, raw, big)
                else:
                    new = memo.get(key)
                    if new is None:
                        assert rule.apply is not None or rule.items is not None or rule is KEEP
                        new = self._apply(rule, tag, meant, raw)
                        memo[key] = new
                if trace is not None:
                    trace.changed(new, self._context.charset)
                if new == raw:
                    counts[rule.action] += 1
                    continue
                new = element_header(encoding, tag, vr, len(new)) + new
            counts[rule.action] += 1
            if copied < start:
                pieces.append(buffer[copied:start])
            if new is not None:
                pieces.append(new)
            copied = end
        if kept:
            counts[Action.KEEP] += kept
        if not pieces and copied == (elements[0].start if elements else 0) and insertion is None:
            return None
        pieces.append(buffer[copied:end])
        while insertion is not None:
            pieces.append(insertion[1])
            insertion = next(pending, None)
        return pieces

    def _leave(self, pieces: list[bytes], copied: int, start: int, end: int) -> int:
        """Leaves an element out; returns from where on is copied."""
        if copied < start:
            pieces.append(self._buffer[copied:start])
        self.counts[Action.REMOVE] += 1
        return end

    def _apply(self, rule: Rule, tag: int, vr: bytes, raw: bytes, big: bool = False) -> bytes:
        if rule.apply is None:
            # A sequence by the dictionary that is none in the object, or kept bytes.
            return raw if rule.items is None else b""
        if big and (width := WIDTHS.get(vr)):  # rules think in little endian
            return swapped(rule.apply(self._context, swapped(raw, width)), width)
        return pad(rule.apply(self._context, raw), vr if vr != b"UN" else vr_of_tag(tag))

    def _transcoded(self, rule: Rule, tag: int, vr: bytes, raw: bytes, big: bool) -> bytes:
        if tag == SPECIFIC_CHARACTER_SET:
            return UTF_8.encode()
        text_vr = vr if vr != b"UN" else vr_of_tag(tag)
        ascii_only = raw.isascii() and b"\x1b" not in raw  # escape sequences are none of UTF-8
        if text_vr in TEXT_VRS and not ascii_only:
            raw = pad(self._source.decode(raw).encode("utf-8", "replace"), text_vr)
        return self._apply(rule, tag, vr, raw, big)

    def _sequence(self, element: Element, encoding: Encoding, rule: Rule) -> bytes | None:
        items = element.items
        assert items is not None
        if rule.items is not None:
            body = b"".join(rule.items(encoding, items, self._buffer))
            if self._trace is not None:
                self._trace.dummy_items(bool(body))
            return element_header(encoding, element.tag, b"SQ", len(body)) + body
        changed = False
        bodies: list[bytes] = []
        trace = self._trace
        content = element.tag in CONTENT_SEQUENCES
        for number, item in enumerate(items.items):
            if trace is not None:
                trace.descend(element.tag, number)
            if content:
                pieces = self._content_item(item, items.encoding)
            else:
                pieces = self._item(item, items.encoding)
            if trace is not None:
                trace.ascend()
            if pieces is None:
                first, last = item.elements[:1], item.elements[-1:]
                body = self._buffer[first[0].start : last[0].end] if first else b""
            else:
                changed = True
                body = b"".join(pieces)
            bodies.append(encode_item(items.encoding, body, item.undefined))
        if not changed:
            return None
        body = b"".join(bodies)
        if items.undefined:
            pack = items.encoding.long.pack
            header = element_header(encoding, element.tag, element.vr, 0xFFFFFFFF)
            return header + body + pack(0xFFFE, 0xE0DD, 0)
        return element_header(encoding, element.tag, element.vr, len(body)) + body

    def _item(self, item: Item, encoding: Encoding) -> list[bytes] | None:
        outer, of_all = self._rules, self._rules_of_all
        if outer is of_all or outer is of_all.of_published_codes:  # else stricter ones stand
            self._rules = of_all
            for tag, _, _, start, end, _ in item.elements[:3]:  # value, scheme and its version
                if tag == CODING_SCHEME_DESIGNATOR and is_published(self._buffer[start:end]):
                    self._rules = of_all.of_published_codes
        try:
            return self._item_in_its_charset(item, encoding)
        finally:
            self._rules = outer

    def _item_in_its_charset(self, item: Item, encoding: Encoding) -> list[bytes] | None:
        for element in item.elements[:2]:
            if element.tag == SPECIFIC_CHARACTER_SET and element.items is None:
                return self._in_charset(element, item, encoding)
        return self.rewrite(item.elements, encoding)

    def _content_item(self, item: Item, encoding: Encoding) -> list[bytes] | None:
        concept = concept_of(item, self._buffer)
        rules = self._rules
        if concept and says_who(rules.profile, concept, self._context.over_89):
            self._rules = rules.of_the_subject
        try:
            return self._item(item, encoding)
        finally:
            self._rules = rules

    def _in_charset(self, element: Element, item: Item, encoding: Encoding) -> list[bytes] | None:
        """An item may declare a character set of its own (PS3.3 C.12.1.1.2)."""
        context, source, memo = self._context, self._source, self._memo
        outer = context.charset
        own = charset(self._buffer[element.value : element.end].strip(b" \0"))
        transcoded = context.transcoded
        self._source = own
        self._memo = context.memo.setdefault(own.declared, {})
        if not transcoded:
            context.source_charset = context.charset = own
            if not own.can_encode(context.written):  # narrower than the outer set
                context.charset = charset(UTF_8.encode())
        try:
            return self.rewrite(item.elements, encoding)
        finally:
            self._source, self._memo = source, memo
            if not transcoded:
                context.source_charset = context.charset = outer
