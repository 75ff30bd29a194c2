"""Where receivers are, and which of them a C-MOVE should name."""

import random
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from adit.core.models import ReceivedInstance, Receiver

TOKEN_FILE = "token"
"""The file in the spool by which workers see whether they look at the same one."""

ALIVE_SECONDS = 20
"""A receiver whose last heartbeat is older is not named in a C-MOVE."""

_PROBE_SECONDS = 2.0

_ADDRESS = f"""
SELECT spool_path, spool_token, file_transmit_host AS host, file_transmit_port AS port,
       file_transmit_fingerprint AS fingerprint
FROM {Receiver._meta.db_table} WHERE name = %s
""".encode()

_LIVING = f"""
SELECT name, ae_title, file_transmit_host AS host, file_transmit_port AS port,
       (SELECT count(*) FROM {ReceivedInstance._meta.db_table} AS held
        WHERE held.receiver = receiver.name AND held.quarantined_at IS NULL) AS load
FROM {Receiver._meta.db_table} AS receiver
WHERE ae_title <> '' AND takes AND heartbeat > now() - %s * interval '1 second'
""".encode()


@dataclass(frozen=True, slots=True)
class ReceiverAddress:
    """Where a receiver's files are: its spool, and the address to fetch them from."""

    spool_path: str
    spool_token: str
    host: str
    port: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A receiver that says that it lives; `load` is how many instances wait in it."""

    name: str
    ae_title: str
    host: str
    port: int
    load: int


def find_receiver(connection: Connection[Any], name: str) -> ReceiverAddress:
    """Where the receiver of that name is.

    Raises:
        LookupError: There is none.
    """
    with connection.cursor(row_factory=class_row(ReceiverAddress)) as cursor:
        cursor.execute(_ADDRESS, [name])
        if (found := cursor.fetchone()) is None:
            raise LookupError(f"There is no receiver {name}.")
        return found


def find_destination(connection: Connection[Any]) -> str:
    """The AE title of a receiver that lives, for a C-MOVE; "" where none is known."""
    with connection.cursor(row_factory=class_row(Candidate)) as cursor:
        candidates = cursor.execute(_LIVING, [ALIVE_SECONDS]).fetchall()
    titles = {candidate.ae_title for candidate in candidates}
    if len(titles) < 2:
        # One, or several behind one address: the network chooses among those.
        return titles.pop() if titles else ""
    return choose(candidates, [one for one in candidates if _answers(one)])


def choose(candidates: Sequence[Candidate], answering: Collection[Candidate]) -> str:
    """The title of one that answers, the less loaded the more likely; of any if none answers.

    A killed receiver still looks alive for some seconds, so that those that answer come first; but
    in some networks workers reach no receiver but by a shared disk.
    """
    preferred = [one for one in candidates if one in answering] or list(candidates)
    weights = [1 / (1 + one.load) for one in preferred]
    return random.choices(preferred, weights)[0].ae_title


def _answers(candidate: Candidate) -> bool:
    try:
        with socket.create_connection((candidate.host, candidate.port), _PROBE_SECONDS):
            return True
    except OSError:
        return False
