"""Claiming rows of arrived instances, so that no two tasks ever take the same one."""

import uuid
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db import connections
from psycopg import Connection
from psycopg.rows import class_row

from adit.core.dicom import ServerConfig
from adit.core.models import ReceivedInstance

from .addresses import ReceiverAddress, find_destination, find_receiver
from .registry import CHANNEL
from .senders import senders_of

OTHERS_GRACE_SECONDS = 3
"""So long an instance whose Move Originator is another C-MOVE is left to that one's task."""

UNSURE_GRACE_SECONDS = 1.5
HEARD_GRACE_SECONDS = 3
"""So long one waits whose sender nobody knows, until it is seen whether the server that was asked
sends by itself, or says for whom it sends; and where it does send, until it has sent this one, too.
Some PACS send from several nodes, of which only one has the title that is configured."""

_TABLE = ReceivedInstance._meta.db_table

# Held by the owner of claims as long as its connection lives, so that the claims of a dead worker
# are known at once. Made of the first half of its UUID, as `OWNER_LOCK` makes it in PostgreSQL.
_LOCK = b"SELECT pg_advisory_lock(%s)"
OWNER_LOCK = "('x' || left(replace(claimed_by::text, '-', ''), 16))::bit(64)::bigint"
# Held shared by all who take over instances of a series, so that one knows whether it is alone.
SERIES_LOCK_CLASS = 0x52435653
_SERIES_LOCK = b"SELECT pg_advisory_lock_shared(%s, %s)"
OTHERS = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 2 AND classid = %s
      AND objid::bigint = ANY(%s::bigint[])
      AND pid <> pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""
_PREPARE = b"""
CREATE TEMPORARY TABLE expected_uids (uid text PRIMARY KEY);
CREATE TEMPORARY TABLE taken_uids (uid text PRIMARY KEY);
SET synchronous_commit TO off;
"""

_MINE = """coalesce(move_originator_message_id = %(message_id)s
    AND move_originator_ae_title = %(calling_ae_title)s, false)"""

# Another server's answer, or push, is none of ours, unless it says that it serves our C-MOVE.
_FROM_ASKED = f"""({_MINE} OR (
    calling_ae_title <> ALL(%(others)s)
    AND NOT (calling_ae_title = ANY(%(own)s) AND address = ANY(%(elsewhere)s))
    AND (calling_ae_title = ANY(%(own)s) OR (
        NOT %(tells)s AND received_at < now() - %(unsure)s * interval '1 second'))))"""

_FREE = f"""
    SELECT id FROM {_TABLE}
    WHERE claimed_by IS NULL AND NOT discarded AND NOT conflicting
      AND quarantined_at IS NULL AND received_at >= %(since)s
      AND receiver <> ALL(%(avoided)s)
      AND {_FROM_ASKED}
"""

_OF_PICKED = f"""
    ORDER BY id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE {_TABLE} AS row SET claimed_by = %(owner)s, claimed_at = now()
FROM picked WHERE row.id = picked.id
RETURNING row.id, row.receiver, row.path, row.sop_class_uid, row.sop_instance_uid,
          row.transfer_syntax_uid, row.calling_ae_title, row.size, row.sha256, {_MINE} AS mine,
          {_MINE} OR calling_ae_title = ANY(%(own)s) AS known
"""

_CLAIM = f"""
WITH picked AS (
    {_FREE}
      AND (study_instance_uid = %(study)s OR (study_instance_uid = '' AND %(listed)s))
      AND (%(series)s::text[] IS NULL OR series_instance_uid = ''
           OR series_instance_uid = ANY(%(series)s))
      AND (NOT %(listed)s OR sop_instance_uid IN (SELECT uid FROM expected_uids)
           OR (%(others_too)s AND study_instance_uid <> ''
               AND series_instance_uid = ANY(%(series)s)))
      AND ({_MINE} OR NOT EXISTS (SELECT FROM taken_uids WHERE uid = sop_instance_uid))
      AND ({_MINE} OR move_originator_message_id IS NULL
           OR received_at < now() - %(grace)s * interval '1 second')
    {_OF_PICKED}
"""

_CLAIM_DOUBLES = f"""
WITH picked AS (
    {_FREE}
      AND study_instance_uid = %(study)s
      AND sop_instance_uid IN (SELECT uid FROM taken_uids)
      AND ({_MINE} OR (move_originator_message_id IS NULL AND %(alone)s))
    {_OF_PICKED}
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that is ours; `mine` says that its Move Originator is our C-MOVE, `known` also that
    its sender is the server that was asked."""

    id: int
    receiver: str
    path: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    size: int
    sha256: str
    mine: bool
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What one C-MOVE is to bring. None stands for all.

    `others_too` says that others of the series are taken besides those that are named.
    """

    study_instance_uid: str
    series_instance_uids: frozenset[str] | None
    sop_instance_uids: frozenset[str] | None
    message_id: int
    calling_ae_title: str
    server: ServerConfig
    others_too: bool = False


class ClaimDesk:
    """A connection of its own to PostgreSQL that claims rows and listens for new ones.

    A connection of Django's belongs to one thread, and its notifications would be nobody's.
    """

    def __init__(self, expectation: Expectation) -> None:
        self._expectation = expectation
        self._owner = uuid.uuid4()
        self._hashes: dict[str, str] = {}
        self._unnoted: list[str] = []
        # Whether the server that was asked says for whom it sends: then what comes from an unknown
        # sender is not from it. And whether it has sent something: then it may send the rest, too.
        self._tells = self._has_heard = False
        self._wrapper: Any = connections["default"].copy()
        self._wrapper.inc_thread_sharing()
        self._wrapper.ensure_connection()
        self._connection: Connection[Any] = self._wrapper.connection
        # A crash of PostgreSQL may undo claims and removals of the last moment. That is harmless:
        # the files are gone then, and rows without file are swept.
        self._connection.execute(_PREPARE)
        self._senders = senders_of(expectation.server, self._connection)
        self._connection.execute(_LOCK, [_lock_key(self._owner)])
        uids = expectation.series_instance_uids or {expectation.study_instance_uid}
        self._series = [series_lock_key(uid) for uid in uids]
        for number in self._series:
            self._connection.execute(_SERIES_LOCK, [SERIES_LOCK_CLASS, _signed(number)])
        self._execute(f"LISTEN {CHANNEL}")
        # What came before the C-MOVE is no answer to it: it may be an older version.
        self._since = self._execute("SELECT now()").fetchone()[0]
        if expectation.sop_instance_uids:
            with (
                self._connection.cursor() as cursor,
                cursor.copy("COPY expected_uids FROM STDIN") as copy,
            ):
                for uid in expectation.sop_instance_uids:
                    copy.write_row([uid])

    def close(self) -> None:
        """Give back what was claimed and not removed, and close the connection."""
        try:
            self._execute(
                f"UPDATE {_TABLE} SET claimed_by = NULL, claimed_at = NULL"
                " WHERE claimed_by = %s AND NOT discarded",
                [self._owner],
            )
            # The end of the connection frees them, too, but a moment later.
            self._execute("SELECT pg_advisory_unlock_all()")
        finally:
            self._wrapper.close()

    def claim(self, limit: int, avoided: Collection[str] = ()) -> list[Claimed]:
        """Claim up to `limit` rows of what is expected and has arrived, but at some receivers.

        Doubles of what was taken already are claimed only where they are certainly ours; others
        are left to whom they may belong.
        """
        series = self._expectation.series_instance_uids
        return self._pick(
            _CLAIM,
            avoided,
            limit,
            series=None if series is None else list(series),
            listed=self._expectation.sop_instance_uids is not None,
            others_too=self._expectation.others_too,
            grace=OTHERS_GRACE_SECONDS,
        )

    def claim_doubles(self, limit: int, avoided: Collection[str] = ()) -> list[Claimed]:
        """Claim what came once more of instances that were taken already.

        What does not tell who asked for it is ours where nobody else expects the series: a later
        C-MOVE would not take it either, as it came before.
        """
        return self._pick(_CLAIM_DOUBLES, avoided, limit, alone=self.is_alone())

    def is_alone(self) -> bool:
        """Whether nobody else takes over instances of the series now."""
        return not self._execute(OTHERS, [SERIES_LOCK_CLASS, self._series]).fetchone()[0]

    def _pick(
        self, query: str, avoided: Collection[str], limit: int, **parameters: Any
    ) -> list[Claimed]:
        self._note_taken()
        expected, senders = self._expectation, self._senders
        with self._connection.cursor(row_factory=class_row(Claimed)) as cursor:
            cursor.execute(
                query.encode(),
                {
                    "study": expected.study_instance_uid,
                    "message_id": expected.message_id,
                    "calling_ae_title": expected.calling_ae_title,
                    "own": list(senders.own),
                    "others": list(senders.others),
                    "elsewhere": list(senders.elsewhere),
                    "tells": self._tells,
                    "unsure": HEARD_GRACE_SECONDS if self._has_heard else UNSURE_GRACE_SECONDS,
                    "owner": self._owner,
                    "since": self._since,
                    "limit": limit,
                    "avoided": list(avoided),
                    **parameters,
                },
            )
            # What is certainly the server's goes before what an unknown sender has of the same UID.
            rows = sorted(cursor.fetchall(), key=lambda row: (not row.known, row.id))
        self._tells = self._tells or any(row.mine for row in rows)
        self._has_heard = self._has_heard or any(row.known for row in rows)
        return rows

    def take(self, sop_instance_uid: str, sha256: str) -> str:
        """Note that we have the instance; returns the hash of what we had before, or ""."""
        if before := self._hashes.get(sop_instance_uid, ""):
            return before
        self._hashes[sop_instance_uid] = sha256
        self._unnoted.append(sop_instance_uid)
        return ""

    def forget(self, sop_instance_uid: str) -> None:
        """Note that we do not have the instance after all."""
        if self._hashes.pop(sop_instance_uid, None) is None:
            return
        if sop_instance_uid in self._unnoted:
            self._unnoted.remove(sop_instance_uid)
        else:
            self._execute("DELETE FROM taken_uids WHERE uid = %s", [sop_instance_uid])

    def _note_taken(self) -> None:
        if self._unnoted:
            self._execute("INSERT INTO taken_uids SELECT unnest(%s::text[])", [self._unnoted])
            self._unnoted.clear()

    def receiver(self, name: str) -> ReceiverAddress:
        """Where the receiver of that name is.

        Raises:
            LookupError: There is none.
        """
        return find_receiver(self._connection, name)

    def destination(self) -> str:
        """The AE title of a living receiver; "" where none is known."""
        return find_destination(self._connection)

    def release(self, row: Claimed) -> None:
        """Give a claimed row back to others."""
        self._execute(
            f"UPDATE {_TABLE} SET claimed_by = NULL, claimed_at = NULL"
            " WHERE id = %s AND claimed_by = %s",
            [row.id, self._owner],
        )

    def set_aside(self, row: Claimed) -> None:
        """Quarantine a row that no task must get; an administrator decides."""
        self._execute(
            f"UPDATE {_TABLE} SET claimed_by = NULL, claimed_at = NULL, conflicting = true,"
            " quarantined_at = now() WHERE id = %s AND claimed_by = %s",
            [row.id, self._owner],
        )

    def hand_back(self, rows: Collection[Claimed]) -> None:
        """Let the receivers delete what we have taken over, should we fail to."""
        self._with_ids(
            "UPDATE {} SET discarded = true WHERE id = ANY(%s) AND claimed_by = %s", rows
        )

    def remove(self, rows: Collection[Claimed]) -> None:
        """Delete rows whose files are gone."""
        self._with_ids("DELETE FROM {} WHERE id = ANY(%s) AND claimed_by = %s", rows)

    def _with_ids(self, query: str, rows: Collection[Claimed]) -> None:
        if rows:
            self._execute(query.format(_TABLE), [[row.id for row in rows], self._owner])

    def refresh(self, row: Claimed) -> bool:
        """Whether the row is still ours; it then stays so for a new while."""
        cursor = self._execute(
            f"UPDATE {_TABLE} SET claimed_at = now() WHERE id = %s AND claimed_by = %s",
            [row.id, self._owner],
        )
        return cursor.rowcount == 1

    def wait(self, timeout: float) -> bool:
        """Wait until something that may be ours arrives; False after so many seconds."""
        study, series = (
            self._expectation.study_instance_uid,
            self._expectation.series_instance_uids,
        )
        for notice in self._connection.notifies(timeout=timeout):
            of_study, _, of_series = notice.payload.partition(" ")
            if of_study not in ("", study):
                continue
            if series is None or of_series in ("", *series):
                return True
        return False

    def _execute(self, query: str, parameters: list[Any] | None = None) -> Any:
        return self._connection.execute(query.encode(), parameters)


def series_lock_key(uid: str) -> int:
    """The number by which inboxes lock a series, or a study where they want all of it."""
    return zlib.crc32(uid.encode())


def _signed(number: int) -> int:
    """The same 32 bits as PostgreSQL's integer, which has a sign."""
    return number - (1 << 32) if number >= 1 << 31 else number


def _lock_key(owner: uuid.UUID) -> int:
    return int.from_bytes(owner.bytes[:8], "big", signed=True)
