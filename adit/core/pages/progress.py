"""How far jobs are: one aggregate over their tasks, and what follows from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from django.db.models import Count, Q, Sum
from django.utils import timezone

from adit.core.models import DicomJob, DicomTask
from adit.core.words import counted

State = DicomTask.State

# The order of the segments of a bar, what is done first.
_ORDER = (
    State.SUCCESS,
    State.WARNING,
    State.FAILURE,
    State.CANCELED,
    State.IN_PROGRESS,
    State.PENDING,
)


@dataclass(frozen=True)
class Segment:
    """A part of the bar; start and width are in thousandths of it."""

    state: str
    count: int
    start: float
    width: float


@dataclass
class JobProgress:
    """Counts of one job's tasks and instances."""

    counts: dict[str, int] = field(default_factory=dict)
    instances_expected: int = 0
    instances_done: int = 0
    bytes_done: int = 0
    instances_per_second: float = 0.0
    # Tasks that are not planned yet: nobody knows how many instances they have.
    unplanned: int = 0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        return sum(self.counts.get(state, 0) for state in DicomTask.ENDED)

    @property
    def segments(self) -> list[Segment]:
        segments, start = [], 0.0
        for state in _ORDER:
            count = self.counts.get(state, 0)
            if count:
                width = 1000 * count / self.total
                segments.append(Segment(state, count, round(start, 2), round(width, 2)))
                start += width
        return segments

    @property
    def counted(self) -> str:
        """The numbers of the segments, `SUCCESS:3 PENDING:4`, to be compared with later ones."""
        return " ".join(f"{segment.state}:{segment.count}" for segment in self.segments)

    @property
    def words(self) -> str:
        """The bar for those who do not see it."""
        parts = [f"{s.count} {State(s.state).label.lower()}" for s in self.segments]
        return f"{counted(self.total, 'task')}: {', '.join(parts)}" if parts else "No tasks"

    @property
    def bar_end(self) -> int:
        """The length of a bar of instances; never zero, which a progress element forbids."""
        return max(1, self.instances_expected)

    @property
    def bar_value(self) -> int:
        return min(self.instances_done, self.bar_end)

    @property
    def remaining(self) -> timedelta | None:
        """The time that is left at the current rate; None where that cannot be told.

        Tasks that are not planned yet count as large as the planned ones are on average.
        """
        if not self.instances_per_second or not self._likely_instances:
            return None
        left = max(0.0, self._likely_instances - self.instances_done)
        return timedelta(seconds=left / self.instances_per_second)

    @property
    def bytes_expected(self) -> int | None:
        """About how many bytes there will be, by those of the instances so far; None where that
        cannot be told or all is done."""
        if not self.instances_done or self.ended == self.total:
            return None
        each = self.bytes_done / self.instances_done
        return round(each * max(self.instances_done, self._likely_instances))

    @property
    def _likely_instances(self) -> float:
        planned = self.total - self.unplanned
        return self.instances_expected * self.total / planned if planned else 0.0


def progress_of(job_ids: Collection[int]) -> dict[int, JobProgress]:
    """The progress of each of the jobs, in one query."""
    progress = {job_id: JobProgress() for job_id in job_ids}
    rows = (
        DicomTask.objects.filter(job_id__in=job_ids)
        .order_by()
        .values("job_id", "state")
        .annotate(
            number=Count("id"),
            expected=Sum("instances_expected"),
            done=Sum("instances_done"),
            size=Sum("bytes_done"),
            speed=Sum("instances_per_second"),
            unplanned=Count("id", filter=Q(instances_expected=0)),
        )
    )
    for row in rows:
        entry = progress[row["job_id"]]
        entry.counts[row["state"]] = row["number"]
        entry.instances_expected += row["expected"]
        entry.instances_done += row["done"]
        entry.bytes_done += int(row["size"])
        if row["state"] == State.IN_PROGRESS:
            entry.instances_per_second = row["speed"]
        if row["state"] in (State.PENDING, State.IN_PROGRESS):
            entry.unplanned += row["unplanned"]
    return progress


def elapsed(item: DicomJob | DicomTask) -> timedelta | None:
    """The time since the start of a job or task, or how long it took; None before it starts."""
    if item.start is None:
        return None
    return (item.end or timezone.now()) - item.start
