"""The child process in which a task is worked on.

It starts from a fork server that has the code loaded already. It speaks with the worker through a
pipe: the worker sends "cancel", the child sends its outcome. When the pipe breaks the worker is
gone, and the child ends at once: another run will go on from what the ledger holds.
"""

from __future__ import annotations

import io
import logging
import os
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection

from adit.core.dicom import Canceled, CancelToken, PermanentDicomError, TransientDicomError
from adit.core.jobs.leases import Lease


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `kind` is one of `done`, `transient`, `permanent`, `canceled`,
    `interrupted` (by our own side, the task is not to blame), `lost`.

    `state` is the task's state for `done`, and for `transient` when no attempts are left.
    """

    kind: str
    message: str = ""
    state: str = ""
    log: str = ""


def main(lease: Lease, connection: Connection) -> None:
    """Entry point of the child process."""
    cancel = CancelToken()
    threading.Thread(target=_listen, args=(connection, cancel), daemon=True).start()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)

    kind, message, state = _work(lease, cancel)
    connection.send(Outcome(kind, message, state, stream.getvalue()[-100_000:]))


def _listen(connection: Connection, cancel: CancelToken) -> None:
    try:
        while connection.recv() == "cancel":
            cancel.cancel()
    except (EOFError, OSError):
        os._exit(1)


def _work(lease: Lease, cancel: CancelToken) -> tuple[str, str, str]:
    from django.db import InterfaceError, OperationalError, connection

    from adit.core.jobs.registry import get_kind
    from adit.core.jobs.run import LeaseLost, TaskRun
    from adit.core.jobs.work_folder import work_folder

    logger = logging.getLogger(__name__)
    kind = get_kind(lease.kind)
    try:
        with work_folder(lease.token) as folder:
            task = kind.task_model.objects.select_related("job", "source").get(pk=lease.task_id)  # type: ignore[attr-defined]
            result = kind.processor()(task, TaskRun(lease, cancel, folder))
        return "transient" if result.retry else "done", result.message, result.state
    except Canceled:
        return "canceled", "Canceled.", ""
    except LeaseLost:
        return "lost", "", ""
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
        return "transient", f"{err.strerror or type(err).__name__} on the worker.", "FAILURE"
    except Exception as err:
        logger.exception("Unexpected error")
        return "permanent", f"Unexpected error ({type(err).__name__}); staff can read the log.", ""
    finally:
        connection.close()
