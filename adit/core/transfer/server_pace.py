"""Instances per second of a server, shared by all workers.

The server has a time until which its instances are given away. Who wants to pass some moves it on
by as many instances as fill a quarter of a second, in one statement, and may pass them one by one
in the time that he got. What nobody passes within another quarter of a second is lost, so that no
worker saves up for a burst.
"""

from __future__ import annotations

import time
from collections import deque

from django.db import connection

from adit.core.dicom import CancelToken
from adit.core.models import DicomServer

_BATCH_SECONDS = 0.25
# A server whose limit was taken away is asked again after so long.
_LOOK_AGAIN_SECONDS = 5.0

# Times are those of the database: the clocks of the hosts may differ.
_RESERVE = """
INSERT INTO core_serverpace AS pace (server_id, next_free)
SELECT dicomnode_ptr_id, clock_timestamp() + interval '1 second' / max_instances_per_second
       * greatest(1, floor(max_instances_per_second * %(batch)s))
FROM core_dicomserver
WHERE dicomnode_ptr_id = %(server)s AND max_instances_per_second IS NOT NULL
ON CONFLICT (server_id) DO UPDATE SET next_free = greatest(pace.next_free, clock_timestamp())
    + (excluded.next_free - clock_timestamp())
RETURNING extract(epoch FROM next_free - clock_timestamp())::float,
    (SELECT max_instances_per_second FROM core_dicomserver WHERE dicomnode_ptr_id = %(server)s)
"""


class ServerPace:
    """The pace of one server, as one thread of a run keeps it; `adit.core.dicom.Pace`."""

    def __init__(self, server: DicomServer, cancel: CancelToken) -> None:
        self._server_id = server.pk
        self._cancel = cancel
        self._mine: deque[float] = deque()
        self._unlimited_until = 0.0

    def __call__(self) -> None:
        while True:
            now = time.monotonic()
            if now < self._unlimited_until:
                return
            while self._mine and self._mine[0] < now - _BATCH_SECONDS:
                self._mine.popleft()
            if self._mine:
                moment = self._mine.popleft()
                if moment > now:
                    self._cancel.wait(moment - now)
                return
            self._reserve()

    def _reserve(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_RESERVE, {"server": self._server_id, "batch": _BATCH_SECONDS})
            row = cursor.fetchone()
        now = time.monotonic()
        if row is None:
            self._unlimited_until = now + _LOOK_AGAIN_SECONDS
            return
        until_free, rate = row
        number = max(1, int(rate * _BATCH_SECONDS))
        begin = now + until_free - number / rate
        self._mine.extend(begin + index / rate for index in range(number))
