"""What a million instances in the ledger take in PostgreSQL: table, TOAST and indexes.

Each series is written twice, as a run does it; UIDs and digests are random, so that nothing is
compressed that would not be with real ones. The target is 150 MB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from adit.stack.postgres import EmbeddedPostgres  # noqa: E402

TARGET_BYTES = 150_000_000
PER_SERIES = (40, 200)


def measure(instances: int, per_series: int) -> tuple[int, float]:
    """The bytes of a ledger of so many instances, and the seconds that it took to write it."""
    from django.db import connection

    from adit.core.models import DicomJob
    from adit.core.transfer.tests.synthetic import fill, ledger_bytes, make_tasks

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE core_seriestransfer")
    tasks = make_tasks(instances // per_series // 5 + 10)
    start = time.monotonic()
    fill(iter(tasks), instances, per_series)
    result = ledger_bytes(), time.monotonic() - start
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE core_seriestransfer")
    assert DicomJob.objects.exists()
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the instances")
    instances = 100_000 if parser.parse_args().quick else 1_000_000
    scale = 1_000_000 / instances
    with tempfile.TemporaryDirectory() as base, EmbeddedPostgres(Path(base) / "pg") as postgres:
        os.environ |= {
            "DATABASE_URL": postgres.url,
            "DJANGO_SETTINGS_MODULE": "adit.settings.test",
            "ENVIRONMENT": "test",
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, check=True, timeout=300
        )
        import django

        django.setup()
        print(f"{'instances a series':>20}{'MB a million':>14}{'bytes each':>12}{'seconds':>9}")
        worst = 0.0
        for per_series in PER_SERIES:
            size, seconds = measure(instances, per_series)
            worst = max(worst, size * scale)
            print(
                f"{per_series:20}{size * scale / 1e6:14.0f}{size / instances:12.0f}{seconds:9.0f}"
            )
    ratio = round(TARGET_BYTES / worst, 2)
    passed = ratio >= 1
    print(
        json.dumps(
            {
                "benchmark": "ledger",
                "ratios": {"size_below_150_mb": ratio},
                "targets": {"size_below_150_mb": 1.0},
                "passed": passed,
            }
        )
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
