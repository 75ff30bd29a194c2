"""Runs the test suite with a database of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from adit.stack.packages import ensure_packages
from adit.stack.postgres import EmbeddedPostgres
from adit.stack.postgres_cluster import PostgresError
from adit.stack.processes import bytecode_cache


def run_tests(root: Path, arguments: Sequence[str]) -> int:
    """Install the programs that the tests need, start a PostgreSQL for this run alone, run pytest
    with `arguments`; return its exit code.

    Raises:
        MissingPackages: a program is missing and cannot be installed from here.
        PostgresError: the database did not start.
    """
    installed = ensure_packages()
    if installed:
        print(f"Installed {', '.join(installed)}.", flush=True)
    parent = root / ".adit" / "test"
    parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(parent)
    postgres = EmbeddedPostgres(
        Path(tempfile.mkdtemp(prefix="postgres-", dir=parent)), durable=False
    )
    postgres.folder.chmod(0o755)
    try:
        postgres.start()
        if arguments:
            return _pytest(root, arguments, postgres.url)
        return _all(root, postgres.url)
    finally:
        postgres.remove()


def _all(root: Path, database_url: str) -> int:
    """Run everything: what drives a browser beside the rest.

    Both wait more than they compute, and Playwright keeps an event loop in its thread, which
    tests of the database and of coroutines do not bear.
    """
    with tempfile.TemporaryFile("w+", dir=root / ".adit" / "test") as browser_output:
        browser = _start(root, ["-m", "acceptance"], database_url, browser_output)
        code = _pytest(root, ["-m", "not acceptance"], database_url)
        browser_code = _wait(browser)
        browser_output.seek(0)
        print(browser_output.read(), flush=True)
    return code or browser_code


def _pytest(root: Path, arguments: Sequence[str], database_url: str) -> int:
    return _wait(_start(root, arguments, database_url, None))


def _start(
    root: Path, arguments: Sequence[str], database_url: str, output: IO[str] | None
) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        **bytecode_cache(root),
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "adit.settings.test",
        "ENVIRONMENT": "test",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments], cwd=root, env=environment, stdout=output
    )


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # the terminal sent it to pytest too, which sums up and ends


def _remove_leftovers(parent: Path) -> None:
    """Remove what runs left behind that were killed; folders in use are locked."""
    for folder in parent.glob("postgres-*"):
        postgres = EmbeddedPostgres(folder, durable=False)
        try:
            postgres.claim()
        except PostgresError:
            continue
        postgres.remove()
