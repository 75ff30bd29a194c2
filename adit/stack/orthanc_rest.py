"""Orthanc's own REST API, as far as tests and example data need it."""

import contextlib
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from adit.stack.ports import LOOPBACK

DICOMWEB_PATH = "/dicom-web"


@dataclass(frozen=True)
class Modality:
    """A DICOM peer that Orthanc knows, as C-MOVE destination for instance."""

    ae_title: str
    port: int
    host: str = LOOPBACK

    def options(self) -> dict[str, Any]:
        """The peer as Orthanc's configuration has it."""
        return {"AET": self.ae_title, "Host": self.host, "Port": self.port}


class OrthancRest:
    """An Orthanc server, seen over HTTP.

    Args:
        http_url: the root of its REST API.
    """

    def __init__(self, http_url: str) -> None:
        self.http_url = http_url.rstrip("/")

    @property
    def dicomweb_url(self) -> str:
        """The root of QIDO-RS, WADO-RS and STOW-RS."""
        return self.http_url + DICOMWEB_PATH

    def request(self, method: str, path: str, body: Any = None, timeout: float = 60) -> Any:
        """Call the API; bytes are sent as they are, anything else as JSON.

        Returns:
            The decoded JSON of the answer, or None if it is empty.
        """
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.http_url}{path}", data=data, method=method)
        # The server is on this machine, whatever proxy the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=timeout) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    def count_instances(self) -> int:
        return int(self.request("GET", "/statistics")["CountInstances"])

    def clear(self) -> None:
        """Delete all that the server stores."""
        for patient in self.request("GET", "/patients"):
            with _ignore_missing():
                self.request("DELETE", f"/patients/{patient}")

    def add_modality(self, alias: str, modality: Modality) -> None:
        """Make a peer known to the running server (forgotten when it stops)."""
        self.request("PUT", f"/modalities/{alias}", modality.options())


@contextlib.contextmanager
def _ignore_missing():
    try:
        yield
    except urllib.error.HTTPError as err:
        if err.code != 404:
            raise
