"""One large object, sent or received in a process of its own that tells how much memory it took.

    python -m adit.core.dicom.tests.large_object send|stow|get|wado PORT FOLDER

As its last line it prints the bytes that its resident memory grew at the peak, and those moved.
"""

from __future__ import annotations

import http.server
import shutil
import sys
from pathlib import Path

from adit.core.dicom import (
    DicomInstance,
    DicomOperator,
    FileSlice,
    RetrieveProtocol,
    ServerConfig,
    StoreProtocol,
    read_part10,
)
from adit.core.dicom.dimse import commands
from adit.core.dicom.tests.samples import CT, EXPLICIT, make_instance
from adit.core.dicom.tests.scripted_peer import Conversation

STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"
_BOUNDARY = "large"


def write_large(path: Path, megabytes: int) -> DicomInstance:
    """A DICOM file with so many megabytes of pixel data, a hole in the file system."""
    small = make_instance(pixels=0, SOPInstanceUID="1.2.3.1.1.1")
    size = megabytes << 20
    # Explicit little endian: tag, OW, two bytes reserved, length (PS3.5 7.1.2).
    element = b"\xe0\x7f\x10\x00OW\x00\x00" + size.to_bytes(4, "little")
    head = small.file_meta() + small.read() + element
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
    return read_part10(path)


def serve_get(instance: DicomInstance, peer: Conversation) -> None:
    """A C-GET provider that sends just this instance, from its file."""
    peer.accept()
    context, request, _ = peer.receive()
    store = commands.store_request(1, CT, instance.sop_instance_uid)
    with instance.open() as file:
        peer.writer.write_message(peer.contexts[CT, EXPLICIT], store, file)
    assert peer.receive()[1].status == 0
    peer.respond(context, request, 0, completed=1, failed=0, warning=0)
    peer.serve_release()


def wado_handler(path: Path) -> type[http.server.BaseHTTPRequestHandler]:
    """Answers every GET with the file as a multipart message of one part."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
            tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
            self.send_response(200)
            kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
            self.end_headers()
            self.wfile.write(head)
            with path.open("rb") as file:
                shutil.copyfileobj(file, self.wfile, 1 << 20)
            self.wfile.write(tail)

        def log_message(self, *_args: object) -> None:
            pass

    return Handler


def stow_handler(received: list[int]) -> type[http.server.BaseHTTPRequestHandler]:
    """Reads what is posted, notes how many bytes it was, and answers that all is stored."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            left = length = int(self.headers["Content-Length"])
            while left and (piece := self.rfile.read(min(left, 1 << 20))):
                left -= len(piece)
            received.append(length - left)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    return Handler


def _server(port: int) -> ServerConfig:
    return ServerConfig(
        name="PACS",
        ae_title="PACS",
        host="127.0.0.1",
        port=port,
        store_scp_support=True,
        study_root_get_support=True,
        dicomweb_root_url=f"http://127.0.0.1:{port}",
        dicomweb_wado_support=True,
        dicomweb_stow_support=True,
    )


def _send(operator: DicomOperator, path: Path, protocol: StoreProtocol) -> int:
    instance = read_part10(path)
    assert isinstance(instance.data, FileSlice)
    (outcome,) = operator.store([instance], protocol=protocol)
    assert outcome.accepted, outcome.error
    return instance.size


def _receive(operator: DicomOperator, protocol: RetrieveProtocol) -> int:
    size = 0
    stream = operator.fetch(
        patient_id="",
        study_instance_uid=STUDY,
        series={SERIES: None},
        protocol=protocol,
        sop_classes=[CT],
    )
    for instance in stream:
        size += instance.size
        instance.discard()
    return size


def _memory(key: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) * 1024


def _main(way: str, port: str, folder: str) -> None:
    before = _memory("VmRSS")
    with DicomOperator(_server(int(port)), spill_folder=Path(folder)) as operator:
        if way in ("send", "stow"):
            sender = StoreProtocol.C_STORE if way == "send" else StoreProtocol.STOW_RS
            moved = _send(operator, Path(folder) / "large.dcm", sender)
        else:
            protocol = RetrieveProtocol.C_GET if way == "get" else RetrieveProtocol.WADO_RS
            moved = _receive(operator, protocol)
    print(_memory("VmHWM") - before, moved)


if __name__ == "__main__":
    _main(*sys.argv[1:4])
