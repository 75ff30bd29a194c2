"""STOW-RS as its user (PS3.18 10.5): several instances a request, bounded by bytes."""

from __future__ import annotations

import json
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from ..attributes import Attributes, from_json
from ..config import StoreProtocol
from ..errors import DicomError, PermanentDicomError, TransientDicomError, from_http_status
from ..instance import DicomInstance
from ..outcomes import StoreOutcome, failed, from_status, transcoded, unsendable
from ..transcoding import NotTranscodable, plain_syntaxes, transcode
from .bodies import read_whole
from .client import DicomWebClient
from .failure_reasons import PROCESSING_FAILURE, SYNTAX_NOT_SUPPORTED, from_failure_reason
from .posting import Posting

MAXIMUM_INSTANCES = 50
MAXIMUM_BYTES = 16 * 1024 * 1024
_STOW = StoreProtocol.STOW_RS
_ACCEPT = "application/dicom+json"
# PS3.18 Table 10.5.3-1; some servers answer 201 or 204, and 400 with the reasons in its body.
_DONE = frozenset({200, 201, 204})
_REFUSED = frozenset({400, 409})
_ANSWERS = _DONE | _REFUSED | {202}
# The request was refused for its content, which one of its instances may be the reason for.
_SPOILED = frozenset({"HTTP 400", "HTTP 409", "HTTP 413", "HTTP 415", "HTTP 422"})
_REFERENCED_SOP_SEQUENCE = "00081199"
_FAILED_SOP_SEQUENCE = "00081198"


def store(
    client: DicomWebClient, instances: Iterable[DicomInstance], most: int = 1
) -> Generator[StoreOutcome, None, None]:
    """Yields one outcome for each instance, in their order, some requests behind at most.

    Args:
        most: So many requests are on their way at once, where the server has a place for them.
    """

    def send(batch: list[DicomInstance], wait: bool) -> list[StoreOutcome] | None:
        try:
            return list(_send(client, batch, wait))
        except _NoPlace:
            return None

    with Posting(send, most) as posting:
        for batch in _batches(instances):
            yield from posting.add(batch)
        yield from posting.finish()


def _batches(instances: Iterable[DicomInstance]) -> Iterator[list[DicomInstance]]:
    """The instances in requests of bearable size; one that cannot be sent is alone."""
    batch: list[DicomInstance] = []
    size = 0
    for instance in instances:
        full = len(batch) >= MAXIMUM_INSTANCES or size + instance.size > MAXIMUM_BYTES
        unsendable = bool(instance.uid_fault)
        if batch and (full or unsendable):
            yield batch
            batch, size = [], 0
        if unsendable:
            yield [instance]
            continue
        batch.append(instance)
        size += instance.size
    if batch:
        yield batch


class _Unreadable(Exception):
    """The file of an instance is gone or shorter than it was: the request cannot be ended."""

    def __init__(self, instance: DicomInstance) -> None:
        super().__init__("An instance cannot be read.")
        self.instance = instance


class _NoPlace(Exception):
    """All connections that the server takes are in use."""


def _send(
    client: DicomWebClient, batch: list[DicomInstance], wait: bool = True
) -> Iterator[StoreOutcome]:
    if fault := batch[0].uid_fault:
        yield unsendable(batch[0], _STOW, client.server.name, fault)
        return
    try:
        answer = _post(client, batch, wait)
    except _Unreadable as error:
        yield from _send_readable(client, batch, error, wait)
        return
    except PermanentDicomError as error:
        if len(batch) == 1 and error.code == "HTTP 415":
            yield _otherwise(client, batch[0]) or failed(batch[0], _STOW, error)
            return
        if len(batch) == 1 or error.code not in _SPOILED:
            for instance in batch:
                yield failed(instance, _STOW, error)
            return
        # One instance may have spoiled the request for all: find out which.
        for instance in batch:
            yield from _send(client, [instance])
        return
    except DicomError as error:
        if not wait and error.code == "busy":
            raise _NoPlace from error
        for instance in batch:
            yield failed(instance, _STOW, error)
        return
    for instance in batch:
        outcome = _outcome(client.server.name, instance, answer)
        if outcome.status == SYNTAX_NOT_SUPPORTED:
            outcome = _otherwise(client, instance) or outcome
        yield outcome


def _send_readable(
    client: DicomWebClient, batch: list[DicomInstance], error: _Unreadable, wait: bool
) -> Iterator[StoreOutcome]:
    """Sends what can be read of a request that broke off; the rest fails, each for itself."""
    readable = [one for one in batch if one is not error.instance and _is_readable(one)]
    outcomes = _send(client, readable, wait) if readable else iter(())
    sent = {id(one) for one in readable}
    for instance in batch:
        yield next(outcomes) if id(instance) in sent else failed(instance, _STOW, _lost())


def _is_readable(instance: DicomInstance) -> bool:
    try:
        return sum(map(len, instance.chunks())) == instance.size
    except OSError:
        return False


def _lost() -> PermanentDicomError:
    return PermanentDicomError("An instance that was to be sent cannot be read.", code="disk")


def _otherwise(client: DicomWebClient, instance: DicomInstance) -> StoreOutcome | None:
    """Sends what was refused for its transfer syntax in a plain one, where that loses nothing."""
    for syntax in plain_syntaxes(instance.transfer_syntax_uid):
        try:
            answer = _post(client, [transcode(instance, syntax)])
        except (DicomError, NotTranscodable, _Unreadable):
            continue
        outcome = _outcome(client.server.name, instance, answer)
        if outcome.accepted:
            return transcoded(outcome, syntax)
    return None


class _Answer:
    """The Store Instances Response Module (PS3.18 Annex I): reasons by SOP Instance UID."""

    def __init__(self, status: int, body: bytes) -> None:
        self.http_status = status
        self.empty = not body.strip()
        data_sets = _parse(body)
        self.stored = _items(data_sets, _REFERENCED_SOP_SEQUENCE, "WarningReason")
        self.failures = _items(data_sets, _FAILED_SOP_SEQUENCE, "FailureReason")


def _parse(body: bytes) -> list[Any]:
    """The data sets of an answer: one, or some servers give one for each instance. Some answer in
    XML only."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        try:
            return [_from_xml(ElementTree.fromstring(body))]
        except (ElementTree.ParseError, ValueError, LookupError, RecursionError):
            return []
    return content if isinstance(content, list) else [content]


def _from_xml(element: ElementTree.Element) -> dict[str, Any]:
    """The attributes of the Native DICOM Model (PS3.19 A.1), as they are in JSON."""
    data_set: dict[str, Any] = {}
    for attribute in element:
        if attribute.tag.rpartition("}")[2] != "DicomAttribute":
            continue
        values = [
            _from_xml(child) if child.tag.endswith("Item") else (child.text or "").strip()
            for child in attribute
        ]
        data_set[attribute.get("tag", "").upper()] = {"vr": attribute.get("vr"), "Value": values}
    return data_set


def _items(data_sets: list[Any], sequence: str, reason: str) -> dict[str, int]:
    result = {}
    for data_set in data_sets:
        element = data_set.get(sequence) if isinstance(data_set, dict) else None
        items = element.get("Value") if isinstance(element, dict) else None
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict):
                attributes: Attributes = from_json(item)
                result[attributes.uid("ReferencedSOPInstanceUID")] = attributes.integer(reason) or 0
    return result


def _post(client: DicomWebClient, batch: list[DicomInstance], wait: bool = True) -> _Answer:
    boundary = uuid.uuid4().hex
    heads = [_part_head(boundary, instance) for instance in batch]
    tail = f"\r\n--{boundary}--\r\n".encode()
    length = sum(len(head) + instance.size for head, instance in zip(heads, batch, strict=True))
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(length + len(tail)),
    }

    def body() -> Iterator[bytes]:
        for head, instance in zip(heads, batch, strict=True):
            yield head
            yield from _whole(instance)
        yield tail

    url = client.url(client.server.dicomweb_stow_prefix, "studies")
    with client.stream(
        "POST", url, accept=_ACCEPT, headers=headers, content=body(), good=_ANSWERS, wait=wait
    ) as response:
        content = read_whole(response, client.local.network_timeout, client.server.name)
    answer = _Answer(response.status_code, content)
    if answer.http_status in _REFUSED and not answer.failures:
        raise from_http_status(client.server.name, answer.http_status)
    return answer


def _whole(instance: DicomInstance) -> Iterator[bytes]:
    """The data set; the length of the request is a promise that only all of it keeps."""
    left = instance.size
    try:
        for chunk in instance.chunks():
            left -= len(chunk)
            yield chunk
    except OSError as error:
        raise _Unreadable(instance) from error
    if left:
        raise _Unreadable(instance)


def _part_head(boundary: str, instance: DicomInstance) -> bytes:
    meta = instance.file_meta()
    lines = (
        f"\r\n--{boundary}\r\n"
        "Content-Type: application/dicom\r\n"
        f"Content-Length: {len(meta) + instance.size}\r\n\r\n"
    )
    return lines.encode("ascii") + meta


def _outcome(server: str, instance: DicomInstance, answer: _Answer) -> StoreOutcome:
    uid = instance.sop_instance_uid
    if uid in answer.failures:
        # A failure without a reason is a failure all the same.
        reason = answer.failures[uid] or PROCESSING_FAILURE
        return failed(instance, _STOW, from_failure_reason(server, reason), reason)
    if uid in answer.stored and answer.http_status != 400:
        return from_status(instance, _STOW, server, answer.stored[uid])
    if answer.http_status in _DONE and answer.empty:
        # It stands for all instances; some servers say no more.
        return from_status(instance, _STOW, server, 0)
    if answer.http_status in _REFUSED:
        error: DicomError = from_http_status(server, answer.http_status)
    else:
        error = TransientDicomError(
            f"{server} did not say what became of an instance.", code=f"HTTP {answer.http_status}"
        )
    return failed(instance, _STOW, error)
