"""How far jobs are: one aggregate over their tasks, and what follows from it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection
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
    """Counts of one job's tasks and instances.

    Attributes:
        instances_left: of tasks that are planned, have not ended and are not told to stop.
        instances_worked: those done in the last minute (`RATE_SECONDS`), about.
        seconds_worked: for how long of that minute the job was at work.
        unplanned, unplanned_left: tasks of which nobody knows yet how many instances they have: all
            that have not ended, and those of them that are not told to stop.
        planned: tasks of which that is known.
    """

    counts: dict[str, int] = field(default_factory=dict)
    instances_expected: int = 0
    instances_done: int = 0
    bytes_done: int = 0
    instances_left: int = 0
    instances_worked: float = 0.0
    seconds_worked: float = 0.0
    planned: int = 0
    unplanned: int = 0
    unplanned_left: int = 0

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
    def instances_per_second(self) -> float:
        """The rate of the last minute, or since the work began, with the time between tasks."""
        if self.ended == self.total or not self.seconds_worked:
            return 0.0
        return round(self.instances_worked / self.seconds_worked, 2)

    @property
    def remaining(self) -> timedelta | None:
        """The time that is left at this rate; None where that cannot be told.

        Tasks that are not planned yet count as large as the planned ones are on average.
        """
        rate, left = self.instances_per_second, self._likely_left
        return timedelta(seconds=left / rate) if rate and left is not None else None

    @property
    def bytes_expected(self) -> int | None:
        """About how many bytes there will be, by those of the instances so far; None where that
        cannot be told or all is done."""
        left = self._likely_left
        if not self.instances_done or self.ended == self.total or left is None:
            return None
        return round(self.bytes_done * (1 + left / self.instances_done))

    @property
    def _likely_left(self) -> float | None:
        """About how many instances are still to come: nothing of tasks that have ended."""
        if not self.unplanned_left:
            return self.instances_left
        if not self.planned:
            return None
        return self.instances_left + self.unplanned_left * self.instances_expected / self.planned


RATE_SECONDS = 60

# In the last minute lies a part of each run. Of a run that is under way it is known how fast it was
# of late; of one that has ended, on average. Only the few of that minute cost more than a sum.
_PROGRESS = """
SELECT job_id, state, count(*), sum(instances_expected), sum(instances_done), sum(bytes_done),
    count(*) FILTER (WHERE instances_expected = 0),
    sum(instances_expected - instances_done) FILTER (WHERE cancel_requested),
    count(*) FILTER (WHERE cancel_requested AND instances_expected = 0),
    sum(least(instances_done - done_before, instances_per_second
        * greatest(0.001, extract(epoch FROM
            statement_timestamp() - greatest(coalesce(run_start, start), minute.began)))))
        FILTER (WHERE lease IS NOT NULL),
    sum((instances_done - done_before)
        * greatest(0.001, extract(epoch FROM
            "end" - greatest(coalesce(run_start, start), minute.began)))
        / greatest(0.001, extract(epoch FROM "end" - coalesce(run_start, start))))
        FILTER (WHERE "end" > minute.began),
    max(greatest(0.001, extract(epoch FROM
            statement_timestamp() - greatest(coalesce(run_start, start), minute.began))))
        FILTER (WHERE lease IS NOT NULL OR "end" > minute.began)
FROM core_dicomtask,
    (SELECT statement_timestamp() - %(window)s * interval '1 second' AS began OFFSET 0) AS minute
WHERE job_id = ANY(%(jobs)s)
GROUP BY job_id, state
"""


def progress_of(job_ids: Collection[int]) -> dict[int, JobProgress]:
    """The progress of each of the jobs, in one query."""
    progress = {job_id: JobProgress() for job_id in job_ids}
    with connection.cursor() as cursor:
        cursor.execute(_PROGRESS, {"jobs": list(job_ids), "window": RATE_SECONDS})
        rows = cursor.fetchall()
    for job_id, state, number, expected, done, size, unplanned, *others in rows:
        stopping, unplanned_stopping, works, worked, span = others
        entry = progress[job_id]
        entry.counts[state] = number
        entry.instances_expected += expected
        entry.instances_done += done
        entry.bytes_done += int(size)
        entry.planned += number - unplanned
        entry.instances_worked += max(0.0, float(works or 0) + float(worked or 0))
        entry.seconds_worked = max(entry.seconds_worked, float(span or 0))
        if state in (State.PENDING, State.IN_PROGRESS):
            entry.instances_left += max(0, expected - done - (stopping or 0))
            entry.unplanned += unplanned
            entry.unplanned_left += unplanned - unplanned_stopping
    return progress


def elapsed(job: DicomJob) -> timedelta | None:
    """How long the job has worked, or took: without the time between its end and what opened it
    again. None before it starts."""
    if job.start is None:
        return None
    if job.active_since is not None:
        running = timezone.now() - job.active_since
        return running + timedelta(seconds=job.active_seconds)
    if job.state == DicomJob.State.PENDING:
        return None
    if job.active_seconds:
        return timedelta(seconds=job.active_seconds)
    return (job.end or timezone.now()) - job.start


def task_elapsed(task: DicomTask) -> timedelta | None:
    """For how long the last run of the task works, or took; None before it starts."""
    start = task.run_start or task.start
    if start is None or task.state == State.PENDING:
        return None
    return (task.end or timezone.now()) - start
