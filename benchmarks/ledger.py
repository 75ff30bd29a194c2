"""A million instances in the ledger: what they take in PostgreSQL, and how long their pages take.

The size is that of table, TOAST and indexes, the target 150 MB. Each series is written twice, as a
run does it; UIDs and digests are random, so that nothing is compressed that would not be with real
ones. The pages are those of a job that holds all of them, against those of a job with a thousand in
the same database: the page of the job must not take more than twice as long. The receipt of the job
lists up to 500 tasks at once and adds up all series; it is shown beside it, without a target.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from adit.stack.postgres import EmbeddedPostgres  # noqa: E402

TARGET_BYTES = 150_000_000
TARGET_PAGE = 2.0
TARGETS = {"size_below_150_mb": 1.0, "job_page_time": 1.0}
# Instances a series; the pages are measured over the last.
PER_SERIES = (200, 40)
PAGES = {"job page": "/jobs/{}/", "receipt of the job": "/jobs/{}/receipt/"}
TIMES = 25


def write(instances: int, per_series: int) -> tuple[int, int, float]:
    """Fill the ledger anew; returns the job, the bytes, and the seconds that it took."""
    from django.db import connection

    from adit.core.transfer.tests.synthetic import fill, ledger_bytes, make_job

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE core_seriestransfer")
    job, tasks = make_job(instances // per_series // 5)
    start = time.monotonic()
    written = fill(iter(tasks), instances, per_series)
    assert written == instances, written
    return job, ledger_bytes(), time.monotonic() - start


def page_seconds(jobs: list[int], address: str) -> list[float]:
    """The median time of the page of each job, one asked after the other."""
    from django.test import Client

    from adit.core.models import DicomJob

    client = Client()
    client.force_login(DicomJob.objects.get(pk=jobs[0]).owner)
    seconds: dict[int, list[float]] = {job: [] for job in jobs}
    for turn in range(TIMES + 2):
        for job in jobs:
            begin = time.perf_counter()
            answer = client.get(address.format(job))
            content = answer.content
            if turn >= 2:
                seconds[job].append(time.perf_counter() - begin)
            assert answer.status_code == 200, answer.status_code
            assert b"SUBJECT-0" in content
    return [statistics.median(times) for times in seconds.values()]


def measure_pages(large: int, instances: int) -> float:
    """Show the times of the pages; returns the ratio of that of the job."""
    from django.db import connection

    from adit.core.models import DicomJob
    from adit.core.transfer.tests.synthetic import fill, make_job

    small, tasks = make_job(10)
    fill(iter(tasks), 1000, 20)
    owner = DicomJob.objects.get(pk=large).owner
    DicomJob.objects.filter(pk=small).update(owner=owner)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(f"{'':>20}{'1000 instances':>18}{f'{instances} instances':>20}{'ratio':>8}")
    ratios = {}
    for title, address in PAGES.items():
        few, many = page_seconds([small, large], address)
        ratios[title] = many / few
        print(f"{title:>20}{1000 * few:15.1f} ms{1000 * many:17.1f} ms{many / few:8.2f}")
    return ratios["job page"]


def measure(*, quick: bool) -> dict[str, float]:
    """Print the tables; returns what was wanted over what was measured."""
    instances = 100_000 if quick else 1_000_000
    scale = 1_000_000 / instances
    print(f"{'instances a series':>20}{'MB a million':>14}{'bytes each':>12}{'seconds':>9}")
    worst, job = 0.0, 0
    for per_series in PER_SERIES:
        job, size, seconds = write(instances, per_series)
        worst = max(worst, size * scale)
        print(f"{per_series:20}{size * scale / 1e6:14.0f}{size / instances:12.0f}{seconds:9.0f}")
    return {
        "size_below_150_mb": TARGET_BYTES / worst,
        "job_page_time": TARGET_PAGE / measure_pages(job, instances),
    }


def main() -> int:
    """Print the tables and the line for machines; non-zero if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the instances")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as base, EmbeddedPostgres(Path(base) / "pg") as postgres:
        os.environ |= {
            "DATABASE_URL": postgres.url,
            "DJANGO_SETTINGS_MODULE": "adit.settings.test",
            "ENVIRONMENT": "test",
            "LOG_LEVEL": "WARNING",
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True, timeout=300
        )
        import django

        django.setup()
        from django.conf import settings

        settings.ALLOWED_HOSTS = ["*"]
        ratios = {name: round(value, 2) for name, value in measure(quick=options.quick).items()}
    passed = all(ratios[name] >= target for name, target in TARGETS.items())
    summary = {"benchmark": "ledger", "ratios": ratios, "targets": TARGETS, "passed": passed}
    print(json.dumps(summary))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
