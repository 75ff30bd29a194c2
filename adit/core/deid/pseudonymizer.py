"""De-identifies encoded data sets: the class that callers use."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import BinaryIO

from pydicom.datadict import keyword_for_tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from .actions import Action
from .burned_in import BurnedInPolicy
from .codec import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    LONG_VRS,
    SHORT_VRS,
    Element,
    Encoding,
    NeedMoreData,
    parse_elements,
)
from .engine import Rewriter, RuleBook, Trace
from .errors import DeidentificationError, ExcludedModality, TruncatedDataset, unexpected
from .excluded import excluded_as
from .header import REPLACED_ALWAYS, TRIAL_TAGS, header_insertions
from .identifying import Learnt, learnt_inside
from .leak_gate import LeakGate
from .leak_rules import OutgoingRules
from .leak_sources import raw_of_patient
from .mapping import KeyedMapping
from .patient import (
    IDENTIFYING_TAGS,
    STUDY_INSTANCE_UID,
    PatientContext,
    patient_context,
)
from .pixel_copy import (
    CountingTarget,
    DeflatingTarget,
    InflatingSource,
    Source,
    Writable,
    copy_pixel_data,
)
from .pixel_policy import ROWS, clean_pixels, doubt_about
from .pixel_policy import WANTED as WANTED_OF_PIXELS
from .profile import Assignment, Option, Profile
from .report import DeidResult, Finding, FindingKind
from .unknown import names_of_unknown

_FIRST_READ = 1 << 16
_CONTEXT_LIMIT = 32
_SOP_CLASS_UID, _SOP_INSTANCE_UID, _MODALITY = 0x00080016, 0x00080018, 0x00080060
_SERIES_INSTANCE_UID = 0x0020000E
_JPIP_DEFLATED = ("1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")

_DEFLATED = frozenset({str(DeflatedExplicitVRLittleEndian), *_JPIP_DEFLATED})


def encoding_of(transfer_syntax_uid: str, first_element: bytes = b"") -> Encoding:
    """How headers are encoded in a transfer syntax (PS3.5 Annex A).

    Some devices write implicit VR where they name an explicit syntax, and the other way round. The
    first element tells: a VR is two capitals, and as a length they would be beyond 16 KiB.
    """
    if transfer_syntax_uid == ExplicitVRBigEndian:
        return EXPLICIT_BIG
    vr = first_element[4:6]
    explicit = vr in SHORT_VRS or vr in LONG_VRS
    if not vr:
        explicit = transfer_syntax_uid != ImplicitVRLittleEndian
    return EXPLICIT_LITTLE if explicit else IMPLICIT_LITTLE


class Pseudonymizer:
    """De-identifies the objects of one subject. Not to be shared between threads.

    Equal profile, assignment and input give equal bytes, in any process and at any time.
    """

    def __init__(self, profile: Profile, assignment: Assignment) -> None:
        self.profile = profile
        self.assignment = assignment
        self._mapping = KeyedMapping(profile.secret)
        self._rule_books: dict[str, RuleBook] = {}
        self._contexts: OrderedDict[_ContextKey, PatientContext] = OrderedDict()
        self._gate = LeakGate(
            check_uids=Option.RETAIN_UIDS not in profile.options,
            rules=OutgoingRules.of(profile, assignment.pseudonym),
            patient=raw_of_patient(assignment.patient),
            check_dates=Option.RETAIN_LONGITUDINAL_FULL_DATES not in profile.options,
        )

    def map_uid(self, uid: str) -> str:
        """`2.25.<integer>` for a UID; UIDs of the standard (PS3.6 Annex A) stay, and all of them
        where the profile retains UIDs."""
        if Option.RETAIN_UIDS in self.profile.options:
            return uid
        return self._mapping.uid(uid)

    def date_offset(self, patient_id: str) -> timedelta:
        """The shift of the dates of a patient; zero if the profile does not modify dates."""
        if Option.RETAIN_LONGITUDINAL_MODIFIED_DATES not in self.profile.options:
            return timedelta()
        return self._mapping.date_offset(patient_id.strip(" \0"), self.profile.whole_weeks)

    def process(
        self,
        source: BinaryIO,
        target: Writable,
        transfer_syntax_uid: str,
        *,
        trace: Trace | None = None,
    ) -> DeidResult:
        """De-identifies one data set from source to target, in the same transfer syntax.

        Only where regions of compressed pixel data were blanked, the target is in explicit little
        endian; the result names the syntax.

        Args:
            source: Encoded data set without preamble and file meta information.
            target: Gets the de-identified data set; to be discarded if this raises, if the result
                is `excluded` and, unless somebody decides otherwise, if it has findings.
            transfer_syntax_uid: Of the source.
            trace: Told of every element (preview).

        Raises:
            MalformedDataset: The source is not a data set in this transfer syntax.
            TruncatedDataset: The source ends in the middle of an element.
            InflatesTooFar: A deflated source is much larger than it seems.
            ExcludedModality: The profile excludes the modality.
            DeidentificationError: The engine met something that it does not know.
        """
        try:
            return self._process(source, target, transfer_syntax_uid, trace)
        except (DeidentificationError, OSError, MemoryError):
            raise
        except Exception as error:  # its text may quote a value, and so may a traceback
            raise unexpected(error) from None

    def _process(
        self,
        source: BinaryIO,
        target: Writable,
        transfer_syntax_uid: str,
        trace: Trace | None,
    ) -> DeidResult:
        counting = CountingTarget(target)
        deflated = transfer_syntax_uid in _DEFLATED
        deflating = DeflatingTarget(counting) if deflated and trace is None else None
        reader = Source(InflatingSource(source)) if deflated else Source(source)
        output = deflating or counting
        first_element = reader.read(8)
        reader.push_back(first_element)
        encoding = encoding_of(transfer_syntax_uid, first_element)

        buffer, elements = _read_elements(reader, encoding)
        values = {
            element.tag: buffer[element.value : element.end]
            for element in elements
            if element.tag in _WANTED
        }
        modality = values.get(_MODALITY, b"").decode("ascii", "replace")
        sop_class_uid = _uid(values, _SOP_CLASS_UID)
        if excluded := excluded_as(self.profile.excluded_modalities, modality, sop_class_uid):
            raise ExcludedModality(excluded)
        result = self._result(values, transfer_syntax_uid)
        pixels = clean_pixels(
            self.profile,
            buffer,
            elements,
            encoding,
            reader,
            values,
            transfer_syntax_uid,
            preview=trace is not None,
        )
        doubt = None
        if self.profile.burned_in is not BurnedInPolicy.ALLOW:
            image = ROWS in values or pixels.element is not None or _goes_on(reader)
            doubt = doubt_about(pixels, buffer, elements, values, transfer_syntax_uid, image)
        if doubt and self.profile.burned_in is BurnedInPolicy.EXCLUDE:
            result.excluded = doubt[1]
            return result
        context = self._context(values, buffer, elements)
        rules = self._rule_books.get(sop_class_uid)
        if rules is None:
            rules = self._rule_books[sop_class_uid] = RuleBook(self.profile, sop_class_uid)
        insertions = header_insertions(context, encoding, values, pixels.cleaned)
        if pixels.insertions:
            insertions = tuple(sorted((*insertions, *pixels.insertions)))
        replaced = REPLACED_ALWAYS.union(tag for tag, _ in insertions) | pixels.dropped
        if trace is not None:
            trace.begin(buffer, insertions, encoding, context.charset)
        rewriter = Rewriter(buffer, rules, context, trace)
        header = b"".join(rewriter.rewrite(elements, encoding, insertions, replaced) or ())
        counts = rewriter.counts
        counts[Action.WRITE] += len(insertions)
        output.write(header)
        inspected = [(buffer, header)]
        if pixels.element:
            output.write(pixels.element)
            inspected.append(self._tail(reader, encoding, rewriter, output, replaced))
        while True:
            following = reader.read(1)
            if not following:
                break
            reader.push_back(following)
            copy_pixel_data(reader, output, encoding)
            inspected.append(self._tail(reader, encoding, rewriter, output, replaced))
        if deflating:
            deflating.finish()
        if doubt:
            result.findings.append(_burned_in(doubt[0]))
        if self.profile.leak_gate:
            for before, after in inspected:
                result.findings += self._gate.check(
                    before, after, encoding, patient=buffer, whole=after is header
                )
        result.size = counting.size
        result.action_counts = counts
        result.unknown = names_of_unknown(rewriter.unknown, context.cleaner)
        result.transfer_syntax_uid = pixels.transfer_syntax_uid
        result.pixels_cleaned = pixels.cleaned
        return result

    def _result(self, values: dict[int, bytes], transfer_syntax_uid: str) -> DeidResult:
        source_uid = _uid(values, _SOP_INSTANCE_UID)
        return DeidResult(
            sop_class_uid=_uid(values, _SOP_CLASS_UID),
            source_sop_instance_uid=source_uid,
            sop_instance_uid=self.map_uid(source_uid),
            study_instance_uid=self.map_uid(_uid(values, STUDY_INSTANCE_UID)),
            series_instance_uid=self.map_uid(_uid(values, _SERIES_INSTANCE_UID)),
            size=0,
            transfer_syntax_uid=transfer_syntax_uid,
        )

    def _tail(
        self,
        reader: Source,
        encoding: Encoding,
        rewriter: Rewriter,
        output: Writable,
        replaced: frozenset[int],
    ) -> tuple[bytes, bytes]:
        """Writes the elements behind the pixel data; returns them before and after."""
        buffer, elements = _read_elements(reader, encoding)
        pieces = rewriter.behind_pixels(buffer).rewrite(elements, encoding, (), replaced)
        if pieces is None:
            after = buffer[: elements[-1].end] if elements else b""
        else:
            after = b"".join(pieces)
        output.write(after)
        return buffer, after

    def _context(
        self, values: dict[int, bytes], buffer: bytes, elements: list[Element]
    ) -> PatientContext:
        inside = learnt_inside(buffer, elements)
        key = (inside, *(item for item in values.items() if item[0] in _CONTEXT_KEY))
        context = self._contexts.get(key)
        if context is None:
            context = patient_context(self.profile, self.assignment, self._mapping, values, inside)
            self._contexts[key] = context
            if len(self._contexts) > _CONTEXT_LIMIT:
                self._contexts.popitem(last=False)
        return context


_ContextKey = tuple[tuple[Learnt, ...] | tuple[int, bytes], ...]
_CONTEXT_KEY = IDENTIFYING_TAGS | {STUDY_INSTANCE_UID}
_WANTED = frozenset(
    {*_CONTEXT_KEY, *TRIAL_TAGS, *WANTED_OF_PIXELS, _SOP_INSTANCE_UID, _SERIES_INSTANCE_UID}
)


def _burned_in(tag: int) -> Finding:
    return Finding(tag, keyword_for_tag(tag), FindingKind.BURNED_IN)


def _goes_on(reader: Source) -> bool:
    """Whether anything follows the header: only pixel data does."""
    start = reader.read(1)
    reader.push_back(start)
    return bool(start)


def _uid(values: dict[int, bytes], tag: int) -> str:
    return values.get(tag, b"").decode("ascii", "backslashreplace").strip(" \0")


def _read_elements(reader: Source, encoding: Encoding) -> tuple[bytes, list[Element]]:
    """Elements up to the pixel data or the end; leaves the reader there."""
    buffer = reader.read(_FIRST_READ)
    at_end = len(buffer) < _FIRST_READ
    elements: list[Element] = []
    position = 0
    while True:
        try:
            position = parse_elements(buffer, position, len(buffer), encoding, elements, top=True)
        except NeedMoreData:
            position = elements[-1].end if elements else 0
            if at_end:
                if not any(buffer[position:]):  # trailing NULLs
                    return buffer[:position], elements
                raise TruncatedDataset("The object ends in the middle of an element.") from None
        else:
            if position < len(buffer) or at_end:
                reader.push_back(buffer[position:])
                return buffer[:position], elements
        reader.may_be_header(len(buffer))
        more = reader.read(max(len(buffer), _FIRST_READ))
        at_end = len(more) < max(len(buffer), _FIRST_READ)
        buffer += more
