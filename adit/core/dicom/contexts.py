"""Presentation contexts (PS3.8 7.1.1.13), made from what is needed.

The acceptor picks one transfer syntax of each context, so a context with several would force every
object of a class into one of them. Each pair of SOP class and transfer syntax gets its own, and
compressed objects pass as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from pydicom._uid_dict import UID_dictionary
from pynetdicom.presentation import AllStoragePresentationContexts

MAXIMUM_CONTEXTS = 128

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
QUERY_SYNTAXES = (IMPLICIT_LITTLE, EXPLICIT_LITTLE)

# What archives hold, the most frequent first. A peer that does not look at the syntax of its
# objects takes the first context of a class, therefore one that each peer can serve leads.
RANKED_SYNTAXES = (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.5",  # RLE lossless
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near lossless
    "1.2.840.10008.1.2.4.201",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.202",  # HTJ2K lossless RPCL
    "1.2.840.10008.1.2.4.203",  # HTJ2K
    "1.2.840.10008.1.2.4.102",  # MPEG-4 AVC/H.264 High
    "1.2.840.10008.1.2.4.103",  # MPEG-4 AVC/H.264 BD-compatible
    "1.2.840.10008.1.2.4.100",  # MPEG-2 main profile main level
    "1.2.840.10008.1.2.4.101",  # MPEG-2 main profile high level
    "1.2.840.10008.1.2.4.104",  # MPEG-4 AVC/H.264 4.2 2D
    "1.2.840.10008.1.2.4.107",  # HEVC/H.265 Main
    "1.2.840.10008.1.2.1.99",  # deflated explicit little endian
    EXPLICIT_BIG,
    "1.2.840.10008.1.2.4.92",  # JPEG 2000 part 2 lossless
    "1.2.840.10008.1.2.4.93",  # JPEG 2000 part 2
)

_NO_INSTANCES = ("1.2.840.10008.1.2.6", "1.2.840.10008.1.2.7", "1.2.840.10008.1.20")


def _other_syntaxes() -> tuple[str, ...]:
    """The rest of the standard's (PS3.6 Annex A), what is in use before what is retired."""
    found = {
        uid: "Retired" in rest
        for uid, (_, kind, *rest) in UID_dictionary.items()
        if kind == "Transfer Syntax" and not uid.startswith(_NO_INSTANCES)
    }
    return tuple(sorted(found.keys() - set(RANKED_SYNTAXES), key=lambda uid: (found[uid], uid)))


ALL_SYNTAXES = RANKED_SYNTAXES + _other_syntaxes()
_VIDEO_SYNTAXES = tuple(uid for uid in ALL_SYNTAXES if uid.startswith("1.2.840.10008.1.2.4.10"))

# SOP classes as they fill archives, for peers that do not tell which ones a study holds.
_RANKED_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture
    "1.2.840.10008.5.1.4.1.1.1.1",  # digital X-ray, for presentation
    "1.2.840.10008.5.1.4.1.1.1",  # computed radiography
    "1.2.840.10008.5.1.4.1.1.6.1",  # ultrasound
    "1.2.840.10008.5.1.4.1.1.3.1",  # ultrasound multi-frame
    "1.2.840.10008.5.1.4.1.1.12.1",  # X-ray angiography
    "1.2.840.10008.5.1.4.1.1.1.2",  # digital mammography, for presentation
    "1.2.840.10008.5.1.4.1.1.13.1.3",  # breast tomosynthesis
    "1.2.840.10008.5.1.4.1.1.128",  # PET
    "1.2.840.10008.5.1.4.1.1.20",  # nuclear medicine
    "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
    "1.2.840.10008.5.1.4.1.1.4.1",  # enhanced MR
)
_VIDEO_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.77.1.1.1",  # endoscopy
    "1.2.840.10008.5.1.4.1.1.77.1.2.1",  # microscopy
    "1.2.840.10008.5.1.4.1.1.77.1.4.1",  # photography
    "1.2.840.10008.5.1.4.1.1.7.4",  # multi-frame true color secondary capture
    "1.2.840.10008.5.1.4.1.1.3.1",  # ultrasound multi-frame
    "1.2.840.10008.5.1.4.1.1.12.1",  # X-ray angiography
)
# So many associations are opened for what a study is known to hold, and no more.
_MOST_BATCHES = 6
_STORAGE_ROOT = "1.2.840.10008.5.1.4."
_COMMON_SYNTAXES = RANKED_SYNTAXES[:6]


def _storage_classes() -> frozenset[str]:
    """Every storage class of the standard, the retired ones (PS3.6 Annex A) included."""
    current = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    registered = {
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and "Storage" in name and uid.startswith(_STORAGE_ROOT)
    }
    return frozenset(current | registered)


STORAGE_CLASSES = _storage_classes()


@cache
def classes_by_frequency() -> tuple[str, ...]:
    """All storage classes of the standard, those that fill archives first."""
    return (*_RANKED_CLASSES, *sorted(STORAGE_CLASSES - set(_RANKED_CLASSES)))


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context to propose; `as_scp`: we are the SCP of its class (C-GET)."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_scp: bool = False


def query_contexts(abstract_syntaxes: Iterable[str]) -> tuple[Context, ...]:
    """Contexts for C-ECHO, C-FIND, C-MOVE: the peer may choose between the plain syntaxes."""
    return tuple(Context(uid, QUERY_SYNTAXES) for uid in abstract_syntaxes)


def storage_contexts(pairs: Iterable[tuple[str, str]]) -> tuple[Context, ...]:
    """Contexts for C-STORE of these pairs of SOP class and transfer syntax."""
    return tuple(Context(sop_class, (syntax,)) for sop_class, syntax in dict.fromkeys(pairs))


def get_context_batches(
    model_uid: str,
    sop_classes: Collection[str],
    pairs: Iterable[tuple[str, str]] = (),
) -> list[tuple[Context, ...]]:
    """Contexts for C-GET, one association each, the most promising first.

    Args:
        model_uid: The query/retrieve model with C-GET; it is in each batch.
        sop_classes: The SOP classes that the study holds; empty where the peer does not tell, then
            all that we know are proposed.
        pairs: SOP class and transfer syntax of what it holds, as far as the peer tells.
    """
    model = Context(model_uid, QUERY_SYNTAXES)
    room = MAXIMUM_CONTEXTS - 1
    told = [
        Context(sop_class, (syntax,), as_scp=True)
        for sop_class, syntax in sorted(set(pairs))
        if sop_class and syntax
    ]
    storage = _known(sorted(sop_classes)) if sop_classes else _unknown()
    storage = list(dict.fromkeys([*told, *storage]))
    return [(model, *storage[start : start + room]) for start in range(0, len(storage), room)][
        : _MOST_BATCHES if sop_classes else None
    ]


def _known(sop_classes: Sequence[str]) -> list[Context]:
    """Each class with the most frequent syntax, then each with the next one."""
    return [
        Context(sop_class, (syntax,), as_scp=True)
        for syntax in ALL_SYNTAXES
        for sop_class in sop_classes
    ]


def _unknown() -> list[Context]:
    """The frequent classes with their syntaxes, then the rest in one context each."""
    frequent = [
        Context(sop_class, (syntax,), as_scp=True)
        for syntax in _COMMON_SYNTAXES
        for sop_class in _RANKED_CLASSES
    ]
    rest = [
        Context(sop_class, (EXPLICIT_LITTLE, IMPLICIT_LITTLE), as_scp=True)
        for sop_class in sorted(STORAGE_CLASSES - set(_RANKED_CLASSES))
    ]
    more = [
        Context(sop_class, (syntax,), as_scp=True)
        for syntax in RANKED_SYNTAXES[len(_COMMON_SYNTAXES) :]
        for sop_class in _RANKED_CLASSES
    ]
    videos = [
        Context(sop_class, (syntax,), as_scp=True)
        for syntax in _VIDEO_SYNTAXES
        for sop_class in _VIDEO_CLASSES
    ]
    return list(dict.fromkeys([*frequent, *rest, *more, *videos]))
