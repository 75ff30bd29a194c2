"""The states of jobs and tasks against a model of them: random actions, claims, ends, crashes,
sweeps and dispatches on PostgreSQL, and never an illegal state."""

import random
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from adit.core.jobs import leases
from adit.core.jobs.actions import (
    JOB_ACTIONS,
    TASK_ACTIONS,
    Conflict,
    NoSuchJob,
    act_on_tasks,
)
from adit.core.jobs.child import Outcome
from adit.core.jobs.conclusion import conclude
from adit.core.jobs.dispatcher import dispatch
from adit.core.jobs.sweep import sweep
from adit.core.jobs.tests.integration.scripted import delete_queue_rows, lapse, scripted_job
from adit.core.jobs.waiting import reasons_for_tasks
from adit.core.models import DicomJob, DicomServer, DicomTask, JobKindSettings, TaskEvent

# Minutes of computing, beside whatever else runs.
pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.timeout(2400)]

ENDED = {"CANCELED", "SUCCESS", "WARNING", "FAILURE"}
OUTCOMES = [
    Outcome("done", "Done.", "SUCCESS"),
    Outcome("done", "Done.", "SUCCESS"),
    Outcome("done", "Done.", "WARNING"),
    Outcome("done", "Done.", "FAILURE"),
    Outcome("permanent", "No such study."),
    Outcome("transient", "No answer.", "FAILURE"),
    Outcome("interrupted", "The database was away."),
    Outcome("disk_full", "The worker's disk is full."),
    Outcome("no_process", "Its process could not be started."),
    Outcome("crashed", "Its process died."),
    Outcome("canceled", "Canceled."),
]


def expected_state(job: DicomJob, counts: Counter, canceled: bool) -> str:
    """The state that follows from the tasks, written down once more and independently."""
    total = sum(counts.values())
    open_tasks = counts["PENDING"] + counts["IN_PROGRESS"]
    if job.state in ("UNVERIFIED", "CANCELING"):
        assert job.state == "UNVERIFIED" or counts["IN_PROGRESS"]
        return job.state
    if counts["PENDING"] == total and not job.tasks.filter(start__isnull=False).exists():
        return "PENDING"
    if open_tasks:
        return "IN_PROGRESS"
    if canceled:
        return "CANCELED"
    for state in ("FAILURE", "WARNING", "SUCCESS"):
        if counts[state]:
            return state
    return "CANCELED"


def lock_nothing_unnamed(execute, sql, params, many, context):
    """Rows that are locked only because others are ordered by them are locked in a wrong order."""
    for locking in re.finditer(r"\bFOR (NO KEY )?UPDATE(?! OF )", sql):
        # What is locked stands between the SELECT and the lock.
        chosen = sql[: locking.start()].rpartition("SELECT ")[2]
        assert " JOIN " not in chosen, sql
    return execute(sql, params, many, context)


class Engine(RuleBasedStateMachine):
    """Users, staff and workers, in any order."""

    owner: Any = None
    staff: Any = None
    source: Any = None

    def __init__(self):
        super().__init__()
        self.held = {}  # every lease ever given, by token
        self.canceled = set()  # ids of jobs that were canceled and not reopened since
        self.first_start = {}  # the first start of each job

    @initialize(number=st.integers(1, 4), verified=st.booleans())
    def begin(self, number, verified):
        DicomServer.objects.update(max_tasks=2, is_suspended=False)
        JobKindSettings.objects.all().delete()
        self.submit(number, verified)

    @rule(number=st.integers(1, 4), verified=st.booleans())
    def submit(self, number, verified):
        if DicomJob.objects.count() < 4:
            scripted_job(self.owner, self.source, [""] * number, verified=verified)

    @precondition(lambda self: DicomJob.objects.exists())
    @rule(
        name=st.sampled_from(list(JOB_ACTIONS)),
        by_staff=st.booleans(),
        pick=st.randoms(use_true_random=False),
    )
    def act_on_job(self, name, by_staff, pick):
        job = pick.choice(list(DicomJob.objects.order_by("pk")))
        user = self.staff if by_staff else self.owner
        action = JOB_ACTIONS[name]
        fits = action.available(user, job)
        try:
            action(user, job.pk)
        except (Conflict, PermissionDenied):
            assert not fits
            return
        assert fits
        if name == "cancel":
            self.canceled.add(job.pk)
        elif name in ("resume", "retry", "retry_warned", "restart"):
            self.canceled.discard(job.pk)

    @precondition(lambda self: DicomTask.objects.exists())
    @rule(
        name=st.sampled_from(list(TASK_ACTIONS)),
        many=st.booleans(),
        pick=st.randoms(use_true_random=False),
    )
    def act_on_task(self, name, many, pick):
        tasks = list(DicomTask.objects.select_related("job").order_by("pk"))
        if many:
            chosen = [task.pk for task in tasks if pick.random() < 0.5]
            outcome = act_on_tasks(self.staff, name, chosen)
            assert sorted([*outcome.done, *(pk for pk, _ in outcome.refused)]) == sorted(chosen)
            done = set(outcome.done)
        else:
            task = pick.choice(tasks)
            fits = TASK_ACTIONS[name].available(self.staff, task)
            try:
                TASK_ACTIONS[name](self.staff, task.pk)
            except Conflict as err:
                assert not fits or "last task" in str(err)
                return
            assert fits
            done = {task.pk}
        if name == "reset":
            self.canceled -= {task.job_id for task in tasks if task.pk in done}

    @rule(pick=st.randoms(use_true_random=False))
    def claim(self, pick):
        """A worker takes any task, be it to be run or not."""
        tasks = list(DicomTask.objects.select_related("job").order_by("pk"))
        if not tasks:
            return
        queued = [task for task in tasks if task.queued and task.state == "PENDING"]
        task = pick.choice(queued if queued and pick.random() < 0.8 else tasks)
        lease = leases.claim(task.pk, "worker")
        if lease is None:
            return
        assert task.state == "PENDING" and task.queued
        assert task.job.state in ("PENDING", "IN_PROGRESS")
        assert task.job_id not in self.canceled
        self.held[lease.token] = lease

    @precondition(lambda self: self.held)
    @rule(outcome=st.sampled_from(OUTCOMES), pick=st.randoms(use_true_random=False))
    def end(self, outcome, pick):
        """A run ends, or believes so: it may have lost its lease long ago, or have ended before."""
        running = set(DicomTask.objects.exclude(lease=None).values_list("lease", flat=True))
        held = sorted(self.held.values(), key=lambda lease: (lease.task_id, lease.attempt))
        alive = [lease for lease in held if lease.token in running]
        lease = pick.choice(alive if alive and pick.random() < 0.8 else held)
        before = DicomTask.objects.filter(pk=lease.task_id).values().first()
        owns = before is not None and before["lease"] == lease.token
        conclude(lease, outcome)
        after = DicomTask.objects.filter(pk=lease.task_id).values().first()
        if not owns:
            assert after == before
        elif lease.job_id in self.canceled:
            assert after is not None and after["state"] in ENDED

    @precondition(lambda self: self.held)
    @rule(pick=st.randoms(use_true_random=False))
    def worker_dies(self, pick):
        lease = pick.choice(sorted(self.held.values(), key=lambda lease: lease.token.int))
        lapse(lease=lease.token)

    @rule()
    def time_passes(self):
        """What waits for its next attempt, or for room, may start."""
        DicomTask.objects.filter(not_before__isnull=False).update(
            not_before=timezone.now() - timedelta(seconds=1)
        )

    @rule()
    def sweep_once(self):
        sweep()

    @rule()
    def dispatch_once(self):
        dispatch()

    @rule()
    def rows_of_the_queue_vanish(self):
        delete_queue_rows(queue_name="dicom")
        past = timezone.now() - timedelta(minutes=1)
        DicomTask.objects.filter(queued__isnull=False, state="PENDING").update(queued=past)

    @rule(suspended=st.booleans())
    def suspend(self, suspended):
        DicomServer.objects.filter(pk=self.source.pk).update(is_suspended=suspended)

    # What always holds

    @invariant()
    def the_state_of_a_job_follows_from_its_tasks(self):
        for job in DicomJob.objects.all():
            counts = Counter(job.tasks.values_list("state", flat=True))
            assert counts, "a job without tasks"
            canceled = job.pk in self.canceled
            assert job.state == expected_state(job, counts, canceled), (job.state, counts)
            assert (job.end is not None) == (job.state in ENDED)
            assert (job.start is not None) or job.state in ("UNVERIFIED", "PENDING", *ENDED)

    @invariant()
    def a_job_starts_once(self):
        for job in DicomJob.objects.filter(start__isnull=False):
            assert self.first_start.setdefault(job.pk, job.start) == job.start

    @invariant()
    def a_lease_is_there_exactly_while_a_task_runs(self):
        for task in DicomTask.objects.all():
            assert (task.lease is not None) == (task.state == "IN_PROGRESS")
            assert (task.lease_until is not None) == (task.state == "IN_PROGRESS")
            assert (task.end is not None) == (task.state in ENDED)
            if task.state == "IN_PROGRESS":
                assert task.lease in self.held

    @invariant()
    def no_canceled_job_has_waiting_tasks(self):
        waiting = DicomTask.objects.filter(job_id__in=self.canceled, state="PENDING")
        assert not waiting.exists()

    @invariant()
    def no_more_tasks_have_a_slot_than_there_are(self):
        busy = DicomTask.objects.filter(
            state__in=["PENDING", "IN_PROGRESS"], queued__isnull=False
        ).count()
        assert busy <= 2, busy

    @invariant()
    def every_waiting_task_has_a_reason(self):
        tasks = list(DicomTask.objects.filter(state="PENDING").select_related("job"))
        assert set(reasons_for_tasks(tasks)) == {task.pk for task in tasks}

    @invariant()
    def nothing_ended_or_canceled_is_queued(self):
        assert not DicomTask.objects.filter(state__in=ENDED, queued__isnull=False).exists()

    def teardown(self):
        """Whatever happened: in the end everything can be brought to its end."""
        DicomServer.objects.update(is_suspended=False)
        for job in DicomJob.objects.filter(state="UNVERIFIED"):
            JOB_ACTIONS["verify"](self.staff, job.pk)
        for _ in range(200):
            self.time_passes()
            lapse()
            sweep()
            for task in DicomTask.objects.filter(state="PENDING", queued__isnull=False):
                lease = leases.claim(task.pk, "worker")
                if lease:
                    conclude(lease, Outcome("done", "Done.", "SUCCESS"))
            dispatch()
            if not DicomJob.objects.exclude(state__in=ENDED).exists():
                break
        assert not DicomJob.objects.exclude(state__in=ENDED).exists()
        assert not DicomTask.objects.exclude(state__in=ENDED).exists()
        TaskEvent.objects.all().delete()
        DicomTask.objects.all().delete()
        DicomJob.objects.all().delete()


def test_no_order_of_events_leads_to_an_illegal_state(
    owner, staff, source, scripted_kinds, django_user_model
):
    random.seed(0)
    for user in (owner, staff):
        user.is_superuser = user is staff
        user.save()
    from django.contrib.auth.models import Permission

    owner.user_permissions.add(
        Permission.objects.get(codename="add_dicomjob"),
        Permission.objects.get(codename="can_process_urgently"),
    )
    Engine.owner = django_user_model.objects.get(pk=owner.pk)
    Engine.staff = django_user_model.objects.get(pk=staff.pk)
    Engine.source = source
    with pytest.raises(NoSuchJob):
        JOB_ACTIONS["cancel"](Engine.staff, 10**9)
    with connection.execute_wrapper(lock_nothing_unnamed):
        run_state_machine_as_test(
            Engine,
            settings=settings(
                max_examples=25,
                stateful_step_count=40,
                deadline=None,
                derandomize=True,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
