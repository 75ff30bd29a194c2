"""The child process in which tasks are worked on, one after the other.

It starts from a fork server that has the code loaded already, connects to the database and waits
for a task. It speaks with the worker through a pipe: the worker sends a lease and perhaps "cancel",
the child sends its outcome. When the pipe breaks the worker is gone, and the child ends at once:
another run will go on from what the ledger holds.

A child that ended a task in good order takes another: a new process and a new connection would
cost more than a small task itself. Any doubt ends it (see `_may_go_on`).
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import queue
import resource
import threading
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from django.conf import settings

from adit.core.dicom import Canceled, CancelToken, PermanentDicomError, TransientDicomError
from adit.core.jobs.disk import is_full_work_folder
from adit.core.jobs.leases import Lease
from adit.core.log_format import WithoutValues


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `kind` is one of `done`, `transient`, `permanent`, `canceled`,
    `interrupted` (by our own side, the task is not to blame), `no_process`, `disk_full`, `lost`; of
    the worker's side also `crashed`.

    `state` is the task's state for `done`, and for `transient` when no attempts are left.
    `goes_on` says that the process waits for another task.
    """

    kind: str
    message: str = ""
    state: str = ""
    log: str = ""
    goes_on: bool = False


# After so many tasks, or so much more memory, a child gives way to a fresh one.
_MOST_TASKS = 200
_MOST_GROWTH = 64 * 1024 * 1024
# The main thread, and the one that listens to the worker.
_THREADS = 2


def main(connection: Connection) -> None:
    """Entry point of the child process."""
    _connect()
    inbox: queue.SimpleQueue[tuple[Lease, CancelToken]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    born_with = _memory()
    for number in range(1, _MOST_TASKS + 1):
        outcome = _run(*inbox.get())
        goes_on = number < _MOST_TASKS and _may_go_on(outcome, born_with)
        connection.send(replace(outcome, goes_on=goes_on))
        if not goes_on:
            break


def _run(lease: Lease, cancel: CancelToken) -> Outcome:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(WithoutValues("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        _limit_memory(settings.TASK_MEMORY_MB)
        kind, message, state = _work(lease, cancel)
    finally:
        logging.getLogger().removeHandler(handler)
    return Outcome(kind, message, state, stream.getvalue()[-100_000:])


def _may_go_on(outcome: Outcome, born_with: int) -> bool:
    """Whether nothing of the last task is left in this process that could trouble the next."""
    from django.db import connection

    return (
        outcome.kind == "done"
        and threading.active_count() <= _THREADS
        and not connection.in_atomic_block
        and _memory() - born_with < _MOST_GROWTH
    )


def _memory() -> int:
    """Bytes that this process has in memory and shares with no file."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    return (int(resident) - int(shared)) * resource.getpagesize()


def _connect() -> None:
    """Open the child's own connection ahead of the task; without a database it comes later."""
    from django.db import Error, connection

    with contextlib.suppress(Error):
        connection.ensure_connection()


def _listen(connection: Connection, inbox: queue.SimpleQueue[tuple[Lease, CancelToken]]) -> None:
    """Pass on what the worker says. A "cancel" belongs to the lease that came before it."""
    cancel = CancelToken()
    try:
        while True:
            message = connection.recv()
            if message == "cancel":
                cancel.cancel()
            else:
                cancel = CancelToken()
                inbox.put((message, cancel))
    except (EOFError, OSError):
        os._exit(1)


def _limit_memory(megabytes: int) -> None:
    """Let this process allocate so much more than what it has now.

    RLIMIT_DATA counts what is allocated and written to, not address space that is only mapped.
    """
    if not megabytes:
        return
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limit = pages * resource.getpagesize() + megabytes * 1024 * 1024
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _work(lease: Lease, cancel: CancelToken) -> tuple[str, str, str]:
    import psycopg
    from django.db import InterfaceError, OperationalError, close_old_connections

    from adit.core.jobs.registry import get_kind
    from adit.core.jobs.run import LeaseLost, TaskRun
    from adit.core.jobs.work_folder import work_folder

    logger = logging.getLogger(__name__)
    kind = get_kind(lease.kind)
    try:
        # The connection may be older than the last restart of the database.
        close_old_connections()
        with work_folder(lease.token) as folder:
            task = kind.task_model.objects.select_related("job", "source").get(pk=lease.task_id)  # type: ignore[attr-defined]
            result = kind.processor()(task, TaskRun(lease, cancel, folder))
        return "transient" if result.retry else "done", result.message, result.state
    except Canceled:
        return "canceled", "Canceled.", ""
    except LeaseLost:
        return "lost", "", ""
    except MemoryError:
        limit = settings.TASK_MEMORY_MB
        logger.exception("Out of memory")
        return "permanent", f"The task needs more memory than the limit of {limit} MB.", ""
    except TransientDicomError as err:
        logger.warning("Transient error: %s", err)
        return "transient", str(err), "FAILURE"
    except PermanentDicomError as err:
        logger.warning("Permanent error: %s", err)
        return "permanent", str(err), ""
    except (
        *(OperationalError, InterfaceError),
        # Of a connection that is not Django's: the one that claims what a receiver has taken.
        *(psycopg.OperationalError, psycopg.InterfaceError),
    ) as err:
        logger.warning("The database is not reachable: %s", type(err).__name__)
        return "interrupted", "The database was away.", ""
    except OSError as err:
        logger.exception("Operating system error")
        if is_full_work_folder(err, Path(settings.WORK_DIR)):
            return "disk_full", "The worker's disk is full.", ""
        return "transient", f"{err.strerror or type(err).__name__} on the worker.", "FAILURE"
    except Exception as err:
        logger.exception("Unexpected error")
        return "permanent", f"Unexpected error ({type(err).__name__}); staff can read the log.", ""
