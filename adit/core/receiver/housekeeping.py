"""Keeping spool and database in step, and quarantine of what nobody asked for.

What was answered with success has a durable file, and a row. After a crash there may be

- files without row: the receiver died before it answered success, or PostgreSQL lost the row in a
  crash of its own. They are entered again. Where the sender got no answer it sends again, and the
  copy is given up by the task that gets it, or goes to quarantine.
- rows without file: a worker deleted the file and PostgreSQL lost the deletion of the row in a
  crash of its own. They are deleted.
"""

import logging
from datetime import timedelta

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from adit.core.models import (
    ExpectedReport,
    ReceivedInstance,
    ReceivedReport,
    Receiver,
    RefusedSender,
)

from .addresses import ALIVE_SECONDS
from .claims import OWNER_LOCK
from .reentry import enter_again
from .spool import Spool

CLAIM_LIFETIME = timedelta(hours=1)
"""A claim that old is void whoever holds it; who works refreshes its claims."""

GONE_AFTER = timedelta(days=1)
"""Who has not been heard of for so long does not look after its own instances any more."""

SETTLED_SECONDS = 300
_BATCH = 500
_MOST_AT_ONCE = 10_000
_RECORD_LIFETIME = timedelta(days=30)

_TABLE = ReceivedInstance._meta.db_table
_RELEASE = f"""
UPDATE {_TABLE} SET claimed_by = NULL, claimed_at = NULL
WHERE claimed_by IS NOT NULL AND NOT discarded AND (
    claimed_at < now() - %s * interval '1 second' OR NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND ((classid::bigint << 32) | objid::bigint) = {OWNER_LOCK}
    )
)
"""

logger = logging.getLogger(__name__)


def sweep(receiver: str, spool: Spool, *, settled_seconds: float = SETTLED_SECONDS) -> None:
    """Enter files without row again, and delete rows without file.

    Args:
        settled_seconds: Files younger than this are left alone, because their row may be about to
            come; 0 at start, when nothing arrives yet.
    """
    names = set(spool.names(older_than=settled_seconds))
    rows = ReceivedInstance.objects.filter(receiver=receiver)
    orphans = names - set(rows.values_list("path", flat=True).iterator())
    entered = enter_again(receiver, spool, orphans)
    lost = []
    for pk, path in rows.values_list("pk", "path").iterator():
        if path not in names and not spool.path(path).exists():
            lost.append(pk)
    for start in range(0, len(lost), _BATCH):
        rows.filter(pk__in=lost[start : start + _BATCH]).delete()
    if entered or lost:
        logger.warning("Entered %s files again, swept %s rows without file.", entered, len(lost))


def release_lapsed_claims() -> int:
    """Free what dead workers had claimed.

    The connection of a worker holds a lock; without it the worker is gone, or has lost its
    connection and with it the work that the claims were for.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RELEASE, [CLAIM_LIFETIME.total_seconds()])
        return cursor.rowcount


def delete_discarded(receiver: str, spool: Spool) -> int:
    """Delete what tasks or administrators have given up: the file first, then the row."""
    rows = ReceivedInstance.objects.filter(receiver=receiver, discarded=True)
    found = list(rows.values_list("pk", "path")[:_MOST_AT_ONCE])
    for _, path in found:
        spool.remove(path)
    rows.filter(pk__in=[pk for pk, _ in found]).delete()
    return len(found)


def forget_old_records() -> None:
    """Delete counted refusals and unread reports that interest nobody any more."""
    RefusedSender.objects.filter(last__lt=Now() - _RECORD_LIFETIME).delete()
    ReceivedReport.objects.filter(received_at__lt=Now() - _RECORD_LIFETIME).delete()
    ExpectedReport.objects.filter(requested_at__lt=Now() - _RECORD_LIFETIME).delete()


def quarantine(receiver: str, after: timedelta) -> int:
    """Mark what nobody has claimed for so long; it is counted and kept.

    Each receiver looks after its own, and all look after those of one that is gone.
    """
    count = (
        ReceivedInstance.objects.filter(_is_of(receiver))
        .filter(claimed_by=None, quarantined_at=None, discarded=False)
        .filter(received_at__lt=Now() - after)
        .update(quarantined_at=Now())
    )
    if count:
        logger.warning("%s instances that nobody expected went into quarantine.", count)
    return count


def delete_quarantined(receiver: str, spool: Spool, after: timedelta) -> int:
    """Delete what lay in quarantine for so long.

    Of a receiver that is gone the rows end with their time, too. Files are its own to delete:
    should it come back it finds those without row, enters them again, and their time ends there.
    """
    due = ReceivedInstance.objects.filter(
        _is_of(receiver), claimed_by=None, quarantined_at__lt=Now() - after
    )
    count, of_others = 0, 0
    for pk, owner, path in list(due.values_list("pk", "receiver", "path")):
        if due.filter(pk=pk).delete()[0]:
            count += 1
            if owner == receiver:
                spool.remove(path)
            else:
                of_others += 1
    if of_others:
        logger.warning(
            "%s quarantined instances of receivers that are gone are forgotten. Delete what is left"
            " in the spools of these receivers.",
            of_others,
        )
    return count


def _is_of(receiver: str) -> Q:
    """Its own rows, and those of receivers that have been gone for long."""
    living = Receiver.objects.filter(heartbeat__gt=Now() - GONE_AFTER).values("name")
    return Q(receiver=receiver) | ~Q(receiver__in=living)


def heartbeat(
    name: str,
    *,
    host: str,
    port: int,
    spool: Spool,
    ae_title: str = "",
    fingerprint: str = "",
    token: str = "",
    takes: bool = True,
) -> None:
    """Say that the receiver lives, by what it is called, and where workers reach it."""
    values = {
        "ae_title": ae_title,
        "file_transmit_host": host,
        "file_transmit_port": port,
        "file_transmit_fingerprint": fingerprint,
        "spool_path": str(spool.folder.resolve()),
        "spool_token": token,
        "free_bytes": spool.free_bytes(),
        "takes": takes,
        "heartbeat": Now(),
    }
    Receiver.objects.update_or_create(name=name, defaults=values)


def is_named_alike(name: str, token: str) -> bool:
    """Whether another receiver, with another spool, lives under that name.

    Two of one name would each take the other's rows for its own that have lost their files.
    """
    alive = Now() - timedelta(seconds=ALIVE_SECONDS)
    others = Receiver.objects.filter(name=name, takes=True, heartbeat__gt=alive)
    return others.exclude(spool_token=token).exists()


def stopped(name: str) -> None:
    """Say that the receiver takes nothing more."""
    Receiver.objects.filter(name=name).update(takes=False)
