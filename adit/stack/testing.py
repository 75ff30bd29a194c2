"""Runs the test suite with a database of its own."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from pytest import ExitCode

from adit.stack.packages import ensure_packages
from adit.stack.postgres import EmbeddedPostgres
from adit.stack.postgres_cluster import PostgresError
from adit.stack.processes import bytecode_cache

# Thousands of tests, which compute all the time. They let those go first that wait for something.
_DEID = "adit/core/deid"
# These wait for peers that are slow, silent or gone.
_DICOM = "adit/core/dicom"
_JOBS, _TRANSFER = "adit/core/jobs", "adit/core/transfer"
_NICENESS = {_DEID: 5}

_ACCEPTANCE = "acceptance and not clock"
_PATIENCE = "patience and not acceptance and not clock"
_REST = "not patience and not acceptance and not clock"
_QUICK = f"{_REST} and not processes and not interop"
_REAL = f"{_REST} and (processes or interop)"


def _ignoring(*rooms: str) -> tuple[str, ...]:
    return tuple(f"--ignore={room}" for room in rooms)


# Each test is in one of them: by its room, by its marks, or as what these leave to the rest.
LANES = (
    ("-m", _REAL, _JOBS),
    ("-m", _PATIENCE),
    ("-m", _ACCEPTANCE),
    ("-m", _REST, _TRANSFER),
    ("-m", _QUICK, _DICOM),
    ("-m", _REAL, *_ignoring(_DEID, _JOBS, _TRANSFER)),
    ("-m", _QUICK, *_ignoring(_DEID, _DICOM, _TRANSFER)),
    ("-m", _REST, _DEID),
)
"""What runs when everything runs, a few at a time: arguments for pytest."""

# More of them wait for the processors, and for each other's caches, instead of for their peers.
_LANES_AT_ONCE = 4

ALONE = (
    ("-m", "clock and not acceptance"),
    ("-m", "clock and acceptance"),
)
"""What runs after them, one after the other: tests that hold the house to a time, which is a time
on a machine that does nothing else."""


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
    if arguments:
        return _run(root, parent, arguments)
    return _all(root, parent)


def _all(root: Path, parent: Path) -> int:
    """Run everything, in lanes, a few beside each other: most tests wait more than they compute.
    What watches the clock comes after them.

    What drives a browser has a lane of its own for another reason, too: Playwright keeps an event
    loop in its thread, which tests of the database and of coroutines do not bear. Each lane has a
    PostgreSQL of its own, because some tests crash theirs.
    """
    codes = []
    with contextlib.ExitStack() as stack:
        # The first shows its progress, the others what they said at the end.
        outputs = [
            stack.enter_context(tempfile.TemporaryFile("w+", dir=parent)) if number else None
            for number in range(len(LANES))
        ]
        interrupted = threading.Event()

        def run(arguments: Sequence[str], output: IO[str] | None) -> int:
            """The next lane; none after an interrupt, which those that ran have got as well."""
            if interrupted.is_set():
                return ExitCode.INTERRUPTED
            code = _run(root, parent, arguments, output)
            if code == ExitCode.INTERRUPTED:
                interrupted.set()
            return code

        pool = stack.enter_context(ThreadPoolExecutor(_LANES_AT_ONCE))
        lanes = [pool.submit(run, *lane) for lane in zip(LANES, outputs, strict=True)]
        for lane, output in zip(lanes, outputs, strict=True):
            codes.append(_through_interrupts(lane.result))
            if output is not None:
                output.seek(0)
                print(output.read(), flush=True)
    for arguments in ALONE:
        if not interrupted.is_set():
            codes.append(_run(root, parent, arguments))
    return next((code for code in codes if code), 0)


def _run(root: Path, parent: Path, arguments: Sequence[str], output: IO[str] | None = None) -> int:
    """Run pytest with a PostgreSQL of its own; return its exit code."""
    with _postgres(parent) as url:
        process = _start(root, arguments, url, output)
        return _through_interrupts(process.wait)


@contextlib.contextmanager
def _postgres(parent: Path) -> Iterator[str]:
    """A PostgreSQL for one run; yields its URL."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=parent))
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder, durable=False)
    try:
        postgres.start()
        yield postgres.url
    finally:
        postgres.remove()


def _start(
    root: Path, arguments: Sequence[str], database_url: str, output: IO[str] | None = None
) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        **bytecode_cache(root),
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "adit.settings.test",
        "ENVIRONMENT": "test",
    }
    niceness = max((_NICENESS.get(argument, 0) for argument in arguments), default=0)
    command = ["nice", "-n", str(niceness), sys.executable, "-m", "pytest", *arguments]
    return subprocess.Popen(command, cwd=root, env=environment, stdout=output)


def _through_interrupts(wait: Callable[[], int]) -> int:
    while True:
        try:
            return wait()
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
