"""The serial way to move a study: download all, decode, anonymise, write, read, send.

    python benchmarks/transfer_serial.py STUDY SOURCE_AE:PORT DESTINATION_AE:PORT [--nodelay]

Everything is done with pynetdicom, pydicom and dicognito as they come; with `--nodelay` the sockets
of this program (and nothing else) get TCP_NODELAY. Prints the seconds that it took.
"""

import argparse
import socket
import tempfile
import time
from pathlib import Path

from dicognito.anonymizer import Anonymizer
from pydicom import Dataset, dcmread
from pynetdicom import AE, build_role, evt

GET = "1.2.840.10008.5.1.4.1.2.2.3"
CLASSES = ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"]
"""CT and MR images."""


def no_delay(event: evt.Event) -> None:
    """Send each piece at once."""
    transport = event.assoc.dul.socket
    assert transport and transport.socket
    transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def associate(peer: str, contexts: list, handlers: list, roles: list):
    """An association with `AE:PORT`."""
    title, port = peer.split(":")
    ae = AE("SERIAL")
    # A busy machine must not end the comparison.
    ae.network_timeout = ae.dimse_timeout = ae.acse_timeout = 600
    for context in contexts:
        ae.add_requested_context(context)
    assoc = ae.associate(
        "127.0.0.1", int(port), ae_title=title, ext_neg=roles, evt_handlers=handlers
    )
    assert assoc.is_established
    return assoc


def download(study: str, source: str, folder: Path, handlers: list) -> None:
    """C-GET of the study, each instance decoded and written as it comes."""

    def store(event: evt.Event) -> int:
        ds = event.dataset
        ds.file_meta = event.file_meta
        ds.save_as(folder / f"{ds.SOPInstanceUID}.dcm", enforce_file_format=True)
        return 0

    contexts = [GET, *CLASSES]
    roles = [build_role(uid, scp_role=True) for uid in CLASSES]
    assoc = associate(source, contexts, [*handlers, (evt.EVT_C_STORE, store)], roles)
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = study
    for status, _ in assoc.send_c_get(query, GET):
        assert status.Status in (0x0000, 0xFF00), status
    assoc.release()


def main() -> None:
    """Move the study and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("source")
    parser.add_argument("destination")
    parser.add_argument("--nodelay", action="store_true")
    options = parser.parse_args()
    handlers = [(evt.EVT_CONN_OPEN, no_delay)] if options.nodelay else []
    with tempfile.TemporaryDirectory() as name:
        raw, clean = Path(name) / "raw", Path(name) / "clean"
        raw.mkdir()
        clean.mkdir()
        started = time.perf_counter()
        download(options.study, options.source, raw, handlers)
        anonymizer = Anonymizer(seed="benchmark")
        for path in sorted(raw.iterdir()):
            ds = dcmread(path)
            anonymizer.anonymize(ds)
            ds.save_as(clean / path.name, enforce_file_format=True)
        assoc = associate(options.destination, CLASSES, handlers, [])
        for path in sorted(clean.iterdir()):
            status = assoc.send_c_store(dcmread(path))
            assert status.Status == 0, status
        assoc.release()
        print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
