"""Reading the body of an answer: no server keeps us for ever, or fills the memory."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import httpx

from ..dimse.pdus import SLOWEST_RATE
from ..dimse.progress import no_progress
from ..errors import PermanentDicomError

# A page of 500 results is some megabytes at most.
_LARGEST_BODY = 256 * 1024 * 1024


def steady(chunks: Iterable[bytes], patience: float, server: str) -> Iterator[bytes]:
    """The same chunks; the time-out of the socket alone lets a server send a byte now and then.

    Args:
        chunks: Of the body; only the time that they take counts, not that of the consumer.
        patience: Seconds that the server may lose beyond what its bytes take at the slowest rate.
        server: Its name.

    Raises:
        TransientDicomError: If it is slower.
    """
    left = patience
    source = iter(chunks)
    while True:
        started = time.monotonic()
        chunk = next(source, None)
        if chunk is None:
            return
        gained = len(chunk) / SLOWEST_RATE
        left = min(patience, left - (time.monotonic() - started) + gained)
        if left <= 0:
            raise no_progress(server, patience)
        yield chunk


def read_whole(response: httpx.Response, patience: float, server: str) -> bytes:
    """The whole body of an answer that is no instance.

    Raises:
        DicomError: If it comes too slowly, or does not end.
    """
    body = bytearray()
    for chunk in steady(response.iter_bytes(), patience, server):
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise PermanentDicomError(f"The answer of {server} does not end.", code="protocol")
    return bytes(body)
