"""Keeping spool and database in step, and quarantine of what nobody asked for.

What was answered with success has a file and a row, both durable. After a crash there may be

- files without row: the receiver died before it answered success, or a worker took the instance
  over and died before the file was deleted. Nobody was promised anything about them: they are
  deleted. A sender without an answer sends again.
- rows without file: a worker deleted the file and PostgreSQL lost the deletion of the row in a
  crash of its own. They are deleted.
"""

import logging
from datetime import timedelta

from django.db.models.functions import Now

from adit.core.models import ReceivedInstance, Receiver

from .spool import Spool

CLAIM_LIFETIME = timedelta(hours=1)
"""A claim that old belongs to a worker that died; a living one refreshes its claims."""

_SETTLED_SECONDS = 300
_BATCH = 500

logger = logging.getLogger(__name__)


def sweep(receiver: str, spool: Spool, *, settled_seconds: float = _SETTLED_SECONDS) -> None:
    """Delete files without row and rows without file.

    Args:
        settled_seconds: Files younger than this are left alone, because their row may be about to
            come; 0 at start, when nothing arrives yet.
    """
    names = set(spool.names(older_than=settled_seconds))
    rows = ReceivedInstance.objects.filter(receiver=receiver)
    orphans = names - set(rows.values_list("path", flat=True).iterator())
    for name in orphans:
        spool.remove(name)
    lost = []
    for pk, path in rows.values_list("pk", "path").iterator():
        if path not in names and not spool.path(path).exists():
            lost.append(pk)
    for start in range(0, len(lost), _BATCH):
        rows.filter(pk__in=lost[start : start + _BATCH]).delete()
    if orphans or lost:
        logger.warning("Swept %s files without row, %s rows without file.", len(orphans), len(lost))


def release_lapsed_claims() -> int:
    """Free what dead workers had claimed."""
    return ReceivedInstance.objects.filter(claimed_at__lt=Now() - CLAIM_LIFETIME).update(
        claimed_by=None, claimed_at=None
    )


def quarantine(after: timedelta) -> int:
    """Mark what nobody has claimed for so long; it is counted and kept."""
    count = ReceivedInstance.objects.filter(
        claimed_by=None, quarantined_at=None, received_at__lt=Now() - after
    ).update(quarantined_at=Now())
    if count:
        logger.warning("%s instances that nobody expected went into quarantine.", count)
    return count


def delete_quarantined(receiver: str, spool: Spool, after: timedelta) -> int:
    """Delete what lay in quarantine for so long."""
    due = ReceivedInstance.objects.filter(
        receiver=receiver, claimed_by=None, quarantined_at__lt=Now() - after
    )
    count = 0
    for pk, path in list(due.values_list("pk", "path")):
        if due.filter(pk=pk).delete()[0]:
            spool.remove(path)
            count += 1
    return count


def heartbeat(name: str, *, host: str, port: int, spool: Spool) -> None:
    """Say that the receiver lives, and where workers reach it."""
    values = {
        "file_transmit_host": host,
        "file_transmit_port": port,
        "spool_path": str(spool.folder.resolve()),
        "heartbeat": Now(),
    }
    Receiver.objects.update_or_create(name=name, defaults=values)
