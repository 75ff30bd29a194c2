"""The child process in which a task is worked on.

It starts from a fork server that has the code loaded already, connects to the database and waits
for its one task. It speaks with the worker through a pipe: the worker sends the lease and perhaps
"cancel", the child sends its outcome. When the pipe breaks the worker is gone, and the child ends
at once: another run will go on from what the ledger holds.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import resource
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from django.conf import settings

from adit.core.dicom import Canceled, CancelToken, PermanentDicomError, TransientDicomError
from adit.core.jobs.disk import is_full_work_folder
from adit.core.jobs.leases import Lease


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `kind` is one of `done`, `transient`, `permanent`, `canceled`,
    `interrupted` (by our own side, the task is not to blame), `disk_full`, `lost`.

    `state` is the task's state for `done`, and for `transient` when no attempts are left.
    """

    kind: str
    message: str = ""
    state: str = ""
    log: str = ""


def main(connection: Connection) -> None:
    """Entry point of the child process."""
    _connect()
    try:
        lease = connection.recv()
    except (EOFError, OSError):
        return
    cancel = CancelToken()
    threading.Thread(target=_listen, args=(connection, cancel), daemon=True).start()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    _limit_memory(settings.TASK_MEMORY_MB)

    kind, message, state = _work(lease, cancel)
    connection.send(Outcome(kind, message, state, stream.getvalue()[-100_000:]))


def _connect() -> None:
    """Open the child's own connection ahead of the task; without a database it comes later."""
    from django.db import Error, connection

    with contextlib.suppress(Error):
        connection.ensure_connection()


def _listen(connection: Connection, cancel: CancelToken) -> None:
    try:
        while connection.recv() == "cancel":
            cancel.cancel()
    except (EOFError, OSError):
        os._exit(1)


def _limit_memory(megabytes: int) -> None:
    """Let this process allocate so much more than what it was born with.

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
    from django.db import InterfaceError, OperationalError, close_old_connections, connection

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
    except (OperationalError, InterfaceError) as err:
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
    finally:
        connection.close()
