"""Whole transfers, Orthanc to Orthanc, against DCMTK and the serial way on the same studies.

400 CT instances of 512 x 512 and 1000 MR instances of 256 x 256, with noise for pixels. Ours is
timed from the start of the task to its end, planning, confirmation and ledger included; the
others from their first connection to their last. Both Orthancs run with TCP_NODELAY=1.

(a) DCMTK: getscu, then storescu, unchanged; as they come (the targets count against this), and
    both with TCP_NODELAY=1 (shown beside it, without a target: DCMTK only copies, it neither plans
    nor proves).
(b) the serial way: download all with pynetdicom, decode, dicognito, write, read, send.
(c) the same with TCP_NODELAY on its own sockets.

    uv run python benchmarks/transfer.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from transfer_studies import CT, MR, fill, fill_large  # noqa: E402
from transfer_system import ROOT, WAYS, TransferSystem  # noqa: E402

TARGETS = {
    "profile_c_get_to_serial": 2.5,
    "profile_c_get_to_serial_nodelay": 1.5,
    "profile_c_move_to_serial": 2.5,
    "profile_c_move_to_serial_nodelay": 1.5,
    "profile_dicomweb_instances_per_second": 200.0,
    "plain_c_get_to_dcmtk": 2.5,
    "plain_c_move_to_dcmtk": 2.5,
    "four_tasks_to_one": 1.0,
    "memory_400_mb_to_peak": 1.0,
}
MEMORY_LIMIT = 400e6


def serial(system: TransferSystem, study: str, *options: str) -> float:
    """Seconds of the serial way."""
    system.destination.clear()
    command = [sys.executable, str(ROOT / "benchmarks/transfer_serial.py"), study]
    for peer in (system.source, system.destination):
        command.append(f"{peer.ae_title}:{peer.dicom_port}")
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def dcmtk(system: TransferSystem, study: str, **environment: str) -> float:
    """Seconds of getscu and storescu, one after the other."""
    system.destination.clear()
    with tempfile.TemporaryDirectory() as folder:
        get = ["/usr/bin/getscu", "-S", "-aec", "ORTHANC1", "-od", folder]
        get += ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
        get += ["127.0.0.1", str(system.source.dicom_port)]
        send = ["/usr/bin/storescu", "-aec", "ORTHANC2", "+sd", "127.0.0.1"]
        send += [str(system.destination.dicom_port), folder]
        started = time.perf_counter()
        for command in (get, send):
            subprocess.run(
                command, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL
            )
        return time.perf_counter() - started


class Results:
    """Instances per second of each way, over both studies."""

    def __init__(self, counts: dict[str, int]) -> None:
        self._counts = counts
        self._seconds: dict[str, dict[str, float]] = {}
        self.console = Console()

    def add(self, title: str, study: str, seconds: float) -> None:
        self._seconds.setdefault(title, {})[study] = seconds
        rate = self._counts[study] / seconds
        print(f"{title}, {study}: {rate:.0f} instances/s", file=sys.stderr, flush=True)

    def rate(self, title: str) -> float:
        return sum(self._counts.values()) / sum(self._seconds[title].values())

    def show(self) -> None:
        table = Table("way", *self._counts, "both", title="Instances per second")
        for title, seconds in self._seconds.items():
            rates = [f"{count / seconds[key]:.0f}" for key, count in self._counts.items()]
            table.add_row(title, *rates, f"{self.rate(title):.0f}")
        self.console.print(table)


def measure(system: TransferSystem, *, quick: bool) -> dict[str, float]:
    """Run all and print the table; returns the ratios."""
    counts = {"CT": 60, "MR": 150} if quick else {"CT": 400, "MR": 1000}
    studies = {
        "CT": fill(system.source, CT, counts["CT"]),
        "MR": fill(system.source, MR, counts["MR"]),
    }
    results = Results(counts)
    warm_up = [fill(system.source, MR, 5)]
    for way in WAYS:
        system.transfer(way, warm_up, profile=True)
    for study, names in studies.items():
        results.add("(a) DCMTK, plain", study, dcmtk(system, names[1]))
        tuned = dcmtk(system, names[1], TCP_NODELAY="1")
        results.add("(a) DCMTK, nodelay, plain", study, tuned)
        results.add("(b) serial", study, serial(system, names[1]))
        results.add("(c) serial, nodelay", study, serial(system, names[1], "--nodelay"))
        for way in WAYS:
            for profile in (False, True):
                title = f"ADIT {way}, {'profile' if profile else 'plain'}"
                results.add(title, study, system.transfer(way, [names], profile=profile))
    results.show()

    four = [fill(system.source, MR, 50 if quick else 250) for _ in range(4)]
    number = 4 * (50 if quick else 250)
    one_by_one = sum(system.transfer("C-GET", [study], profile=True) for study in four)
    together = system.transfer("C-GET", four, profile=True)
    print(
        f"four studies: {number / one_by_one:.0f}/s one by one, {number / together:.0f}/s at once"
    )

    peaks = measure_memory(system, quick=quick)

    rate = results.rate
    return {
        "profile_c_get_to_serial": rate("ADIT C-GET, profile") / rate("(b) serial"),
        "profile_c_get_to_serial_nodelay": rate("ADIT C-GET, profile")
        / rate("(c) serial, nodelay"),
        "profile_c_move_to_serial": rate("ADIT C-MOVE, profile") / rate("(b) serial"),
        "profile_c_move_to_serial_nodelay": rate("ADIT C-MOVE, profile")
        / rate("(c) serial, nodelay"),
        "profile_dicomweb_instances_per_second": rate("ADIT DICOMweb, profile"),
        "plain_c_get_to_dcmtk": rate("ADIT C-GET, plain") / rate("(a) DCMTK, plain"),
        "plain_c_move_to_dcmtk": rate("ADIT C-MOVE, plain") / rate("(a) DCMTK, plain"),
        "plain_c_get_to_dcmtk_nodelay": rate("ADIT C-GET, plain")
        / rate("(a) DCMTK, nodelay, plain"),
        "plain_c_move_to_dcmtk_nodelay": rate("ADIT C-MOVE, plain")
        / rate("(a) DCMTK, nodelay, plain"),
        "four_tasks_to_one": one_by_one / together,
        "memory_400_mb_to_peak": MEMORY_LIMIT / max(peaks),
    }


def measure_memory(system: TransferSystem, *, quick: bool) -> list[float]:
    """The peak of each way with one very large object, and with many that just fit into memory."""
    megabytes, many = (600, 30) if quick else (2000, 100)
    studies = {
        f"one object of {megabytes} MB": fill_large(system.source, [megabytes]),
        f"{many} objects of 8 MB": fill_large(system.source, [8] * many),
    }
    peaks = []
    for title, study in studies.items():
        for way in WAYS:
            with system.peak_memory() as memory:
                system.transfer(way, [study], profile=True)
            peaks.append(memory.peak)
            print(f"{title} by {way}: {memory.peak / 1e6:.0f} MB at most")
    return peaks


def main() -> int:
    """Prints the tables and the line for machines; non-zero if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller instances")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adit-benchmark-") as name:
        base = Path(name)
        base.chmod(0o755)
        with TransferSystem(base) as system:
            ratios = measure(system, quick=options.quick)
    ratios = {key: round(value, 2) for key, value in ratios.items()}
    passed = all(ratios[key] >= target for key, target in TARGETS.items())
    summary = {"benchmark": "transfer", "ratios": ratios, "targets": TARGETS, "passed": passed}
    print(json.dumps(summary))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
