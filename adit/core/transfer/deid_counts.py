"""What a de-identification did, in numbers, for the report of a job."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# An object may hold thousands of attributes nobody knows; the ledger stays compact.
MOST_UNKNOWN = 200
FURTHER = "further attributes"


@dataclass
class DeidCounts:
    """Sums over instances. Never holds a value of an attribute.

    Attributes:
        instances: how many instances are in the sums.
        actions: numbers of elements by action, at all levels.
        unknown: numbers of elements that nobody knows: private ones by creator, and tags that are
            not in PS3.6.
    """

    instances: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def add(self, other: DeidCounts) -> None:
        self.instances += other.instances
        self.actions.update(other.actions)
        for name, number in other.unknown.items():
            known = name in self.unknown or len(self.unknown) < MOST_UNKNOWN
            self.unknown[name if known else FURTHER] += number

    def to_json(self) -> dict[str, Any]:
        """The compact form for a column of the database; nothing for no instances."""
        if not self.instances:
            return {}
        return {
            "instances": self.instances,
            "actions": dict(sorted(self.actions.items())),
            "unknown": dict(sorted(self.unknown.items())),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DeidCounts:
        return cls(
            instances=data.get("instances", 0),
            actions=Counter(data.get("actions", {})),
            unknown=Counter(data.get("unknown", {})),
        )
