"""WADO-RS as its user (PS3.18 10.4): whole instances, streamed, as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from ..advice import ASK_ADMIN, SEE_LOG
from ..errors import PermanentDicomError, TransientDicomError
from ..instance import DicomInstance
from ..part10 import NotPart10, Part10Head, head_size, parse_head
from ..spill import SpillBuffer
from .bodies import steady
from .client import DicomWebClient
from .multipart import MultipartError, PartData, PartEnd, boundary_of, parse_multipart

ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
# File meta information is some hundred bytes; private information may make it longer.
_LARGEST_HEAD = 1 << 20
# Those that the HTTP library always decodes (RFC 9110 8.4.1).
_CODINGS = frozenset({"gzip", "deflate"})


def retrieve(
    client: DicomWebClient, path: str, spill_folder: Path | None, spill_threshold: int
) -> Iterator[DicomInstance]:
    """Yields the instances below `path` as they come; the server waits while the consumer is busy.

    Raises:
        DicomError: If the server fails, or the answer ends before it is complete.
    """
    name = client.server.name
    url = client.url(client.server.dicomweb_wado_prefix, path)
    with client.stream("GET", url, accept=ACCEPT) as response:
        if response.status_code == 204:
            return
        try:
            chunks = steady(_body(response, name), client.local.progress_timeout, name)
            yield from _instances(response, chunks, spill_folder, spill_threshold, name)
            if response.status_code == 206:
                raise _partial(name)
        except MultipartError as error:
            raise TransientDicomError(f"{name} broke its answer off.", code="incomplete") from error
        except NotPart10 as error:
            raise PermanentDicomError(
                f"{name} sent something that is no DICOM file.", code="protocol"
            ) from error


def _partial(server: str) -> TransientDicomError:
    """PS3.18 Table 10.4.3-1: the answer holds some of what was asked for, and not all of it."""
    return TransientDicomError(
        f"{server} says that it sent a part of what was asked for.",
        code="HTTP 206",
        advice=f"Try again. If that goes on: {SEE_LOG}",
    )


def _body(response: httpx.Response, server: str) -> Iterator[bytes]:
    """The body, decompressed where a server compresses although we ask it not to."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding in ("", "identity"):
        return response.iter_raw()
    if coding not in _CODINGS:
        raise PermanentDicomError(
            f"{server} compresses its answer in a way that we do not know.",
            code="compressed",
            advice=f"{ASK_ADMIN} to switch the compression of HTTP answers off.",
        )
    return response.iter_bytes()


def _instances(
    response: httpx.Response,
    chunks: Iterator[bytes],
    folder: Path | None,
    threshold: int,
    server: str,
) -> Iterator[DicomInstance]:
    """Yields the good parts; a part that is no DICOM file is an error behind the last of them."""
    content_type = response.headers.get("Content-Type", "")
    boundary = boundary_of(content_type)
    if boundary is None:
        # Some servers send a single instance without a multipart frame.
        yield from _single(chunks, folder, threshold)
        return
    part: _Part | None = None
    good, bad = 0, list[NotPart10]()
    try:
        for event in parse_multipart(chunks, boundary):
            try:
                if isinstance(event, PartEnd):
                    if part is None:
                        continue
                    instance, part = part.finish(), None
                elif isinstance(event, PartData):
                    if part is not None:
                        part.write(event.data)
                    continue
                else:
                    part = _Part(folder, threshold)
                    continue
            except NotPart10 as error:
                assert part is not None
                part.discard()
                part = None
                bad.append(error)
                continue
            good += 1
            yield instance
            del instance
    finally:
        if part is not None:
            part.discard()
    if bad and not good:
        raise bad[0]
    if bad:
        what = "a part that is" if len(bad) == 1 else f"{len(bad)} parts that are"
        raise TransientDicomError(
            f"{server} sent {what} no DICOM file among {good} good ones.", code="incomplete"
        )


def _single(
    chunks: Iterable[bytes], folder: Path | None, threshold: int
) -> Iterator[DicomInstance]:
    part = _Part(folder, threshold)
    try:
        for chunk in chunks:
            part.write(chunk)
    except BaseException:
        part.discard()
        raise
    yield part.finish()


class _Part:
    """A DICOM file that arrives: its head is read, its data set is kept."""

    def __init__(self, folder: Path | None, threshold: int) -> None:
        self._start = bytearray()
        self._head: Part10Head | None = None
        self._data = SpillBuffer(folder, threshold)

    def write(self, piece: bytes) -> None:
        if self._head is not None:
            self._data.write(piece)
            return
        self._start += piece
        size = head_size(self._start)
        if size is not None and len(self._start) >= size:
            self._take_head()
        elif len(self._start) > _LARGEST_HEAD:
            raise NotPart10("The file meta information does not end.")

    def _take_head(self) -> None:
        self._head = parse_head(self._start)
        self._data.write(memoryview(self._start)[self._head.data_offset :])
        self._start = bytearray()

    def finish(self) -> DicomInstance:
        if self._head is None:
            self._take_head()
        assert self._head is not None
        return DicomInstance(
            self._head.sop_class_uid,
            self._head.sop_instance_uid,
            self._head.transfer_syntax_uid,
            self._data.finish(),
        )

    def discard(self) -> None:
        self._data.discard()
