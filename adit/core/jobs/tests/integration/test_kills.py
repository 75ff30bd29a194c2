"""Workers are killed at random while two hundred small studies are transferred."""

import random
import time
from collections import Counter

import pytest

from adit.core.factories import grant_access
from adit.core.jobs.tests.integration.scripted import job_state, tasks_of, wait_for
from adit.core.jobs.tests.integration.small_studies import (
    double_node,
    small_studies,
    transfer_job,
)
from adit.core.models import DicomTask
from adit.test_pacs.double import PacsDouble

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

STUDIES = 200
INSTANCES = 2
KILLS = 6


@pytest.mark.timeout(900)
def test_every_instance_arrives_exactly_once_although_workers_are_killed(make_user, workers):
    chance = random.Random(4711)
    with (
        PacsDouble("FROM", instances=small_studies(STUDIES, INSTANCES)) as source_pacs,
        PacsDouble("TO") as destination_pacs,
    ):
        user = make_user(is_superuser=True)
        source = double_node("FROM", source_pacs, max_tasks=4)
        destination = double_node("TO", destination_pacs)
        grant_access(user.active_group, source, source=True)
        grant_access(user.active_group, destination, destination=True)
        job = transfer_job(user, source, destination, STUDIES)

        def done():
            return DicomTask.objects.filter(job=job, state="SUCCESS").count()

        running = [workers.start(concurrency=2) for _ in range(2)]
        for _ in range(KILLS):
            before = done()
            if before == STUDIES:
                break
            # Work is under way again after each kill, before the next one.
            wait_for(lambda before=before: done() >= min(STUDIES, before + 5), 120)
            time.sleep(chance.uniform(0, 1))
            victim = running.pop(chance.randrange(len(running)))
            victim.kill()
            victim.wait()
            running.append(workers.start(concurrency=2))
        wait_for(lambda: job_state(job) not in ("PENDING", "IN_PROGRESS"), 600)

        job.refresh_from_db()
        assert (job.state, job.message) == ("SUCCESS", f"{STUDIES} of {STUDIES} succeeded")
        assert {task.state for task in tasks_of(job)} == {"SUCCESS"}
        held = Counter(str(one.sop_instance_uid) for one in destination_pacs.archive)
        assert len(held) == STUDIES * INSTANCES
        assert set(held.values()) == {1}
