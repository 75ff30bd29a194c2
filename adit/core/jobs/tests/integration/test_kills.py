"""Processes are killed at random while two hundred small studies are transferred."""

import random
import time
from collections import Counter

import psutil
import pytest

from adit.core.factories import grant_access
from adit.core.jobs.tests.integration.scripted import job_state, tasks_of, wait_for
from adit.core.jobs.tests.integration.small_studies import (
    double_node,
    small_studies,
    transfer_job,
)
from adit.core.models import DicomJob, DicomTask, TaskEvent
from adit.test_pacs.double import PacsDouble

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.patience,
    pytest.mark.django_db(transaction=True),
]

STUDIES = 200
INSTANCES = 2
# Of a worker: the process itself twice, its fork server, and processes that work on a task.
VICTIMS = ("worker", "child", "fork server", "worker", "child", "child")
AT_ONCE = 2


class Killer:
    """Kills processes of two workers, and starts a worker anew as its supervisor would."""

    def __init__(self, workers) -> None:
        self._workers = workers
        self._chance = random.Random(4711)
        self._running = [workers.start(concurrency=AT_ONCE) for _ in range(2)]

    def kill(self, what: str) -> set:
        """Kill a process; returns the leases that may have ended with it."""
        time.sleep(self._chance.uniform(0, 1))
        worker = self._chance.choice(self._running)
        tree = psutil.Process(worker.pid)
        held = DicomTask.objects.filter(worker__endswith=f":{worker.pid}", lease__isnull=False)
        victim = self._chance.choice(wait_for(lambda: _victims(tree, what)))
        leases = set(held.values_list("lease", flat=True))
        victim.kill()
        victim.wait(60)
        leases |= set(held.values_list("lease", flat=True))
        if what == "worker":
            worker.wait(60)
            self._running.remove(worker)
            self._running.append(self._workers.start(concurrency=AT_ONCE))
        return leases


def _victims(worker: psutil.Process, what: str) -> list[psutil.Process]:
    if what == "worker":
        return [worker]
    fork_servers = [process for process in worker.children() if process.children()]
    if what == "fork server":
        return fork_servers
    return [child for process in fork_servers for child in process.children()]


@pytest.mark.timeout(2400)
def test_work_goes_on_within_a_minute_of_each_kill_and_nothing_is_lost_or_doubled(
    make_user, workers
):
    with (
        PacsDouble("FROM", instances=small_studies(STUDIES, INSTANCES)) as source_pacs,
        PacsDouble("TO") as destination_pacs,
    ):
        user = make_user(is_superuser=True)
        source = double_node("FROM", source_pacs, max_tasks=2 * AT_ONCE)
        destination = double_node("TO", destination_pacs)
        grant_access(user.active_group, source, source=True)
        grant_access(user.active_group, destination, destination=True)
        job = transfer_job(user, source, destination, STUDIES)

        def done():
            return DicomTask.objects.filter(job=job, state="SUCCESS").count()

        killer = Killer(workers)
        wait_for(lambda: done() >= 5)
        for what in VICTIMS:
            before, cut_off = done(), killer.kill(what)
            # Tasks end again, and none is still with a process that is gone; each within a minute.
            deadline = time.monotonic() + 60
            wait_for(lambda before=before: done() > before, 60)
            lost = DicomTask.objects.filter(lease__in=cut_off)
            wait_for(lambda lost=lost: not lost.exists(), deadline - time.monotonic())
        wait_for(lambda: job_state(job) in DicomJob.ENDED, 600)

        job.refresh_from_db()
        assert (job.state, job.message) == ("SUCCESS", f"{STUDIES} of {STUDIES} succeeded")
        held = Counter(str(one.sop_instance_uid) for one in destination_pacs.archive)
        assert len(held) == STUDIES * INSTANCES
        assert set(held.values()) == {1}
        _assert_sent_again_only_after_a_kill(job, destination_pacs)


def _assert_sent_again_only_after_a_kill(job, destination_pacs) -> None:
    """Each run sends an instance at most once, and a study has one run but for the kills.

    So what a kill can repeat is what its victims had sent and not recorded yet.
    """
    sent = Counter(store.sop_instance_uid for store in destination_pacs.seen.stores)
    runs = Counter(
        TaskEvent.objects.filter(task__job=job, text__startswith="Started on").values_list(
            "task_id", flat=True
        )
    )
    for number, task in enumerate(tasks_of(job), start=1):
        uids = [f"1.2.826.0.1.{number}.1.{instance}" for instance in (1, 2)]
        assert all(1 <= sent[uid] <= runs[task.pk] for uid in uids), (task.pk, runs[task.pk])
    assert len(sent) == STUDIES * INSTANCES
    interrupted = sum(count - 1 for count in runs.values())
    assert interrupted <= len(VICTIMS) * AT_ONCE
    assert sent.total() - len(sent) <= interrupted * INSTANCES
