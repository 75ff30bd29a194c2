"""QIDO-RS as its user (PS3.18 10.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote, urlencode

from ..advice import SEE_LOG
from ..attributes import Attributes, from_json
from ..broken_lists import list_broken_off
from ..errors import PermanentDicomError
from ..query import Level, Query, matching_keys, request_keys, uid_list
from .bodies import read_whole
from .client import DicomWebClient

_PAGE = 500
# Any page that is not tiny may be all that the server gives at once: then the next is asked for,
# until one brings nothing new.
_SURELY_ALL = 10
# So some servers answer who asks for what comes behind the last result.
_BEYOND_THE_END = frozenset({"HTTP 400", "HTTP 404", "HTTP 416"})
# "Иванов*" leaves nothing to search for where only ASCII works: then so much is looked through.
_PAGES_OF_A_WIDER_SEARCH = 10
# All but the unreserved characters (RFC 3986 2.3) and the wildcards.
_ENCODED = re.compile(r"[^A-Za-z0-9_.~*?-]+")
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
        BrokenOff: If a page behind the first is refused or cannot be read.
        DicomError: If the server fails.
    """
    path, parameters, identity = _resource(query, level)
    asked = _Asked(client, path, identity, on_warning)
    yield from asked.pages(parameters)
    if asked.count == 0 and (wider := _wider(parameters)) != parameters:
        yield from asked.pages(wider, most=_PAGES_OF_A_WIDER_SEARCH)


def find_one(client: DicomWebClient, query: Query, level: Level) -> Attributes | None:
    """The first answer, or None; the server is asked for no more.

    Raises:
        DicomError: If the server fails.
    """
    path, parameters, _ = _resource(query, level)
    url = client.url(client.server.dicomweb_qido_prefix, path)
    answers, _ = _page(client, url, [*parameters, ("limit", "1")])
    return from_json(answers[0]) if answers and isinstance(answers[0], dict) else None


def _wider(parameters: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """The same search with wildcards for what must be encoded in a URL.

    The DICOMweb plugin of Orthanc 1.10 does not decode what it looks for, and takes a comma for the
    end of a value: it does not find "Müller*^J*", "O'Neil", "CT, Thorax" or "A/1" written as they
    must be in a URL. It does find "M*ller**J*"; what that finds too much is filtered later.
    """
    return [
        (keyword, value if keyword.endswith("UID") else _ENCODED.sub("*", value))
        for keyword, value in parameters
    ]


class _Asked:
    """One search, which may be asked in several ways."""

    def __init__(
        self, client: DicomWebClient, path: str, identity: str, on_warning: Callable[[], None]
    ) -> None:
        self._client = client
        self._url = client.url(client.server.dicomweb_qido_prefix, path)
        self._identity = identity
        self._on_warning = on_warning
        self.count = 0

    def pages(
        self, parameters: Sequence[tuple[str, str]], most: int | None = None
    ) -> Iterator[Attributes]:
        """Yields all answers once, page after page, `most` pages at most."""
        offset = 0
        cut = False
        seen: set[tuple[str, str | None]] = set()
        first: set[tuple[str, str | None]] = set()
        while True:
            try:
                answers, held_back = self._page(parameters, offset)
            except PermanentDicomError as error:
                if not offset:
                    raise
                if error.code in _BEYOND_THE_END and self._ends_at(parameters, offset):
                    return
                raise list_broken_off(self._client.server.name, offset, error) from error
            if not answers:
                if held_back:
                    self._on_warning()
                return
            before = len(seen)
            unreadable = []
            page = set()
            for answer in answers:
                attributes = from_json(answer) if isinstance(answer, dict) else Attributes({})
                key = (attributes.uid(self._identity), attributes.text("PatientID"))
                if not key[0]:
                    unreadable.append(attributes)
                    continue
                page.add(key)
                if key not in seen:
                    seen.add(key)
                    self.count += 1
                    yield attributes
            if not offset or len(seen) > before:
                # On a page that came before they were told of already.
                self.count += len(unreadable)
                yield from unreadable
            if len(seen) == before:
                if cut:
                    self._on_warning()
                # The same page again, in whatever order: the server does not know `offset`.
                if offset and page == first:
                    self._client.ignores_offset = True
                return
            # As many as the server gives at most: it may have cut the page without a word.
            full = len(answers) in (_PAGE, self._client.server.max_search_results)
            cut = full or held_back
            if not cut and not offset and len(answers) < _SURELY_ALL:
                return
            offset += len(answers)
            if most is not None and offset >= most * _PAGE:
                self._on_warning()
                return
            if self._client.ignores_offset:
                if cut:
                    self._on_warning()
                return
            first = first or page

    def _page(
        self, parameters: Sequence[tuple[str, str]], offset: int
    ) -> tuple[list[object], bool]:
        paging = [("limit", str(_PAGE)), ("offset", str(offset))]
        return _page(self._client, self._url, [*parameters, *paging])

    def _ends_at(self, parameters: Sequence[tuple[str, str]], offset: int) -> bool:
        """Whether a server that refuses to go on from `offset` has come to the end there.

        Then it gives the last result alone to whoever asks from that one on. If it refuses that,
        too, or gives more, it has another reason.
        """
        try:
            answers, held_back = self._page(parameters, offset - 1)
        except PermanentDicomError:
            return False
        return len(answers) == 1 and not held_back


def _page(
    client: DicomWebClient, url: str, parameters: Sequence[tuple[str, str]]
) -> tuple[list[object], bool]:
    # Wildcards stay as they are (RFC 3986 3.4 allows it): the DICOMweb plugin of Orthanc 1.10 looks
    # for them before it decodes.
    query = urlencode(parameters, safe="*?,", quote_via=quote)
    with client.stream("GET", f"{url}?{query}", accept=_ACCEPT) as response:
        body = read_whole(response, client.local.network_timeout, client.server.name)
        # PS3.18 10.6.3.1: 299 says that there are more results than were sent; older servers say it
        # by their status.
        held_back = "299" in response.headers.get("Warning", "") or response.status_code == 206
    if not body.strip():
        return [], held_back
    try:
        answers = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PermanentDicomError(
            f"{client.server.name} did not answer the query with JSON.", code="protocol"
        ) from error
    if not isinstance(answers, list):
        # As a rule it says there what went wrong. No list is not an empty list.
        raise PermanentDicomError(
            f"{client.server.name} did not answer the query with a list of results.",
            code="protocol",
            advice=f"{SEE_LOG} Check the DICOMweb address, too.",
        )
    return answers, held_back


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
    if query.patient_at_every_level and keys.get("PatientID"):
        wanted.append("PatientID")
    parameters += [("includefield", keyword) for keyword in wanted]
    return path, parameters, identity
