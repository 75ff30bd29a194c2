"""Which pairs of SOP class and transfer syntax an association for C-STORE is opened for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ..contexts import MAXIMUM_CONTEXTS, classes_by_frequency

Pair = tuple[str, str]

# Images and a report or two are common. What brings a third kind may bring many more.
_KINDS_BEFORE_GUESSING = 3


class Proposals:
    """Groups of pairs that are proposed together, each as large as an association can be.

    A pair stays in its group, so that a mix of more kinds than an association holds goes over a
    few of them, instead of pushing each other out.
    """

    def __init__(self, ahead: Iterable[Pair] = (), *, complete: bool = False) -> None:
        """Creates the groups.

        Args:
            ahead: Pairs that will come.
            complete: Whether there will be no others; else the likely ones are proposed, too.
        """
        self._groups: list[list[Pair]] = []
        self._group_of: dict[Pair, int] = {}
        self._guessing = not complete
        for pair in ahead:
            self.group_of(pair)

    def group_of(self, pair: Pair) -> int:
        """The number of the group that the pair is in from now on."""
        if pair not in self._group_of:
            if not self._groups or len(self._groups[-1]) >= MAXIMUM_CONTEXTS:
                self._groups.append([])
            self._groups[-1].append(pair)
            self._group_of[pair] = len(self._groups) - 1
        return self._group_of[pair]

    def needed(self, pair: Pair) -> tuple[Pair, ...]:
        """The pairs of its group: they came, or will come."""
        return tuple(self._groups[self.group_of(pair)])

    def likely(self, pair: Pair) -> tuple[Pair, ...]:
        """Pairs that may come, as many as there is room for beside the group's own."""
        needed = self.needed(pair)
        if not self._guessing or len(self._group_of) < _KINDS_BEFORE_GUESSING:
            return ()
        syntaxes = dict.fromkeys((pair[1], *(syntax for _, syntax in needed)))
        candidates = (
            (sop_class, syntax) for sop_class in classes_by_frequency() for syntax in syntaxes
        )
        new = (one for one in candidates if one not in self._group_of)
        return tuple(islice(new, MAXIMUM_CONTEXTS - len(needed)))

    def stop_guessing(self) -> None:
        """From now on only what is needed is proposed."""
        self._guessing = False
