"""Run a PACS double as a process: `python -m adit.test_pacs --ae-title ORTHANC1 --port 4242`."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from . import PacsDouble
from .phantoms import example_instances


def peer(text: str) -> tuple[str, tuple[str, int]]:
    """Parse `AET=host:port`.

    Raises:
        argparse.ArgumentTypeError: It is not of that form.
    """
    ae_title, equals, address = text.partition("=")
    host, colon, port = address.rpartition(":")
    if not (ae_title and equals and host and colon and port.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not AET=host:port")
    return ae_title, (host, int(port))


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m adit.test_pacs", description=__doc__)
    parser.add_argument("--ae-title", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--folder", type=Path, help="where instances are kept; none: in memory")
    parser.add_argument("--peer", type=peer, action="append", default=[], metavar="AET=HOST:PORT")
    parser.add_argument("--examples", action="store_true", help="fill it with example studies")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the example pictures")
    parser.add_argument("--faults", type=Path, help="JSON file with faults, read when it changes")
    options = parser.parse_args(arguments)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pacs = PacsDouble(
        options.ae_title,
        options.folder,
        peers=dict(options.peer),
        faults_file=options.faults,
        host=options.host,
        port=options.port,
    )
    if options.examples and not len(pacs.archive):
        pacs.archive.add_datasets(example_instances(options.scale))
    with pacs:
        count = len(pacs.archive)
        print(f"{pacs.ae_title} listens on {pacs.host}:{pacs.port}, {count} instances", flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
