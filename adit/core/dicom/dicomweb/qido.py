"""QIDO-RS as its user (PS3.18 10.6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from ..attributes import Attributes, from_json
from ..errors import PermanentDicomError
from ..query import Level, Query, matching_keys, request_keys, uid_list
from .client import DicomWebClient

_PAGE = 500
_ACCEPT = "application/dicom+json"


def search(
    client: DicomWebClient, query: Query, level: Level, on_warning: Callable[[], None]
) -> Iterator[Attributes]:
    """Yields the answers page by page; a server that ignores `offset` is noticed.

    Args:
        client: Of the server.
        query: What to look for.
        level: STUDY, SERIES or IMAGE; QIDO-RS has no patient level.
        on_warning: Called if the server says (or shows) that it holds back results.

    Raises:
        DicomError: If the server fails.
    """
    path, parameters, identity = _resource(query, level)
    url = client.url(client.server.dicomweb_qido_prefix, path)
    offset = 0
    first_of_page: str | None = None
    while True:
        page_parameters = [*parameters, ("limit", str(_PAGE)), ("offset", str(offset))]
        answers, more_held_back = _page(client, url, page_parameters)
        if not answers:
            return
        attributes = [from_json(answer) for answer in answers if isinstance(answer, dict)]
        first = attributes[0].uid(identity) if attributes else ""
        if first_of_page is not None and first == first_of_page:
            # The same page again: the server does not know `offset`.
            on_warning()
            return
        first_of_page = first
        yield from attributes
        offset += len(answers)
        if len(answers) < _PAGE and not more_held_back:
            return


def _page(
    client: DicomWebClient, url: str, parameters: Sequence[tuple[str, str]]
) -> tuple[list[object], bool]:
    with client.stream("GET", url, accept=_ACCEPT, params=parameters) as response:
        body = response.read()
        # PS3.18 10.6.3.1: 299 says that there are more results than were sent.
        held_back = "299" in response.headers.get("Warning", "")
    if not body.strip():
        return [], False
    try:
        answers = json.loads(body)
    except ValueError as error:
        raise PermanentDicomError(
            f"{client.server.name} did not answer the query with JSON.", code="protocol"
        ) from error
    return (answers if isinstance(answers, list) else []), held_back


def _resource(query: Query, level: Level) -> tuple[str, list[tuple[str, str]], str]:
    """Path, parameters and identifying attribute of a search."""
    assert level != "PATIENT"
    given = matching_keys(query)
    keys = request_keys(query, level)
    study = uid_list(query.study_instance_uid)
    series = uid_list(query.series_instance_uid)
    path, identity = "studies", "StudyInstanceUID"
    if level == "SERIES":
        identity = "SeriesInstanceUID"
        path = "series"
        if len(study) == 1:
            path = f"studies/{study[0]}/series"
            keys.pop("StudyInstanceUID", None)
    elif level == "IMAGE":
        identity = "SOPInstanceUID"
        path = "instances"
        if len(study) == 1:
            path = f"studies/{study[0]}/instances"
            keys.pop("StudyInstanceUID", None)
            if len(series) == 1:
                path = f"studies/{study[0]}/series/{series[0]}/instances"
                keys.pop("SeriesInstanceUID", None)
    parameters = [
        (keyword, value.replace("\\", ","))
        for keyword, value in keys.items()
        if value and given.get(keyword)
    ]
    # What each level returns by itself is in PS3.18 Table 10.6.3-3; the rest is asked for.
    wanted = [keyword for keyword, value in keys.items() if not value]
    parameters += [("includefield", keyword) for keyword in wanted]
    return path, parameters, identity
