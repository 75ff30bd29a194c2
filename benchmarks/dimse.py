"""DIMSE against DCMTK and pynetdicom, with the same peers in the same run.

Retrieval: a study of four series from one Orthanc, by getscu and by C-GET of ours, both writing
DICOM files; what it holds is known beforehand, as it is to a transfer after its plan. By movescu,
which takes the instances in itself (+P) and writes them unsynced, and by C-MOVE through our
receiver, which hashes, syncs and enters each instance in PostgreSQL before it answers, and hands it
to a worker that writes it. WADO-RS is shown beside them. Sending: storescu and ours to Orthanc and
to storescp. CPU time against plain pynetdicom, which sends chunks from files and writes what it
gets undecoded. Memory: one large object sent, received by C-GET and taken in by the receiver.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pydicom.uid import generate_uid  # noqa: E402

from adit.stack.orthanc import Modality, OrthancServer  # noqa: E402
from adit.stack.ports import accepts_connections, free_port, wait_until  # noqa: E402
from adit.stack.postgres import EmbeddedPostgres  # noqa: E402
from adit.test_pacs.phantoms import PATIENTS, study_instances  # noqa: E402

WORKERS = Path(__file__).with_name("dimse_workers.py")
ENVIRONMENT = os.environ | {"TCP_NODELAY": "1"}
GROWTH_MB = 100
SERIES = 4
TARGETS = {
    "get_from_orthanc": 1.0,
    "move_from_orthanc": 1.0,
    "store_to_orthanc": 1.0,
    "cpu_saving_sending": 3.0,
    "cpu_saving_receiving": 3.0,
    "receiver_throughput": 1.5,
    "receiver_cpu_saving": 3.0,
}
# What the receiver's own benchmark calls them.
RECEIVER_RATIOS = {
    "receiver_throughput": "instances_per_second",
    "receiver_cpu_saving": "cpu_saving",
}


class Run:
    """Folders, peers and results of one run."""

    def __init__(self, base: Path, count: int, rounds: int, megabytes: int) -> None:
        self.base = base
        self.count = count
        self.rounds = rounds
        self.megabytes = megabytes
        self.rows: list[tuple[str, float, float]] = []
        self.numbers = itertools.count()
        self.environment = dict(ENVIRONMENT)

    def folder(self) -> Path:
        path = self.base / f"out{next(self.numbers)}"
        path.mkdir(mode=0o777)
        path.chmod(0o777)
        return path

    def worker(self, *arguments: object) -> dict[str, Any]:
        command = [sys.executable, str(WORKERS), *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            check=True,
            timeout=1800,
        )
        return json.loads(done.stdout.splitlines()[-1])

    def program(self, *command: object, cwd: Path | None = None) -> float:
        """Run a program of DCMTK; the seconds that it took."""
        started = time.perf_counter()
        subprocess.run(
            ["/usr/bin/" + str(command[0]), *map(str, command[1:])],
            env=ENVIRONMENT, check=True, capture_output=True, timeout=1800, cwd=cwd,
        )  # fmt: skip
        return time.perf_counter() - started

    def compare(
        self, title: str, theirs: Callable[[], float], ours: Callable[[], dict[str, Any]]
    ) -> float:
        """Both in turn, the best of each; how many times as fast ours is."""
        best: dict[str, float] = {}
        for _ in range(self.rounds):
            # Neither waits for the disk to write what the other left unwritten.
            os.sync()
            best["theirs"] = min(best.get("theirs", 1e9), theirs())
            os.sync()
            result = ours()
            assert result["count"] == self.count, f"{title}: {result['count']} of {self.count}"
            best["ours"] = min(best.get("ours", 1e9), result["seconds"])
        self.rows.append((title, self.count / best["theirs"], self.count / best["ours"]))
        return round(best["theirs"] / best["ours"], 2)


def write_study(folder: Path, count: int) -> tuple[str, dict[str, list[str]]]:
    """Write a study of so many CT instances; its UID, and the instances by series."""
    patient = next(patient for patient in PATIENTS if patient.patient_id == "1008")
    ds = next(iter(study_instances(patient, patient.studies[0], 3.2)))
    series: dict[str, list[str]] = {}
    for number in range(count):
        if number * SERIES // count == len(series):
            ds.SeriesInstanceUID = generate_uid()
            ds.SeriesNumber = len(series) + 1
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.InstanceNumber = number + 1
        ds.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)
        series.setdefault(str(ds.SeriesInstanceUID), []).append(str(ds.SOPInstanceUID))
    return str(ds.StudyInstanceUID), series


def complete(folder: Path, count: int) -> None:
    """Remove what was retrieved, if it is complete."""
    arrived = sum(1 for path in folder.iterdir())
    assert arrived == count, f"{arrived} of {count} arrived"
    shutil.rmtree(folder)


def retrieval(run: Run, orthanc: OrthancServer, study: str, series: Path, move_port: int) -> dict:
    """C-GET, C-MOVE and WADO-RS from Orthanc."""
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    address = ["127.0.0.1", orthanc.dicom_port]

    def getscu() -> float:
        folder = run.folder()
        seconds = run.program("getscu", "-S", "+B", "-pdu", 131072, "-od", folder, *keys, *address)
        complete(folder, run.count)
        return seconds

    def movescu() -> float:
        folder = run.folder()
        # With +B it writes to its working folder, whatever -od says.
        seconds = run.program(
            "movescu", "-S", "+B", "-pdu", 131072, "-aem", "MOVESCU", "-aet", "MOVESCU",
            "+P", move_port, *keys, *address, cwd=folder,
        )  # fmt: skip
        complete(folder, run.count)
        return seconds

    def ours(protocol: str) -> Callable[[], dict[str, Any]]:
        def fetch() -> dict[str, Any]:
            folder = run.folder()
            arguments = [protocol, orthanc.dicom_port, study, series, folder]
            if protocol == "WADO-RS":
                arguments.append(orthanc.dicomweb_url)
            result = run.worker("fetch", *arguments)
            complete(folder, run.count)
            return result

        return fetch

    ratios = {"get_from_orthanc": run.compare("C-GET from Orthanc", getscu, ours("C-GET"))}
    run.compare("WADO-RS from Orthanc (against getscu)", getscu, ours("WADO-RS"))
    ratios["move_from_orthanc"] = run.compare("C-MOVE from Orthanc", movescu, ours("C-MOVE"))
    return ratios


def sending(run: Run, files: Path, orthanc: OrthancServer, scp: int) -> dict:
    """To Orthanc, which is emptied before each, and to storescp, which drops what it gets."""

    def storescu(port: int, prepare: Callable[[], object]) -> Callable[[], float]:
        def send() -> float:
            prepare()
            return run.program(
                "storescu", "-xs", "--max-send-pdu", 131072, "127.0.0.1", port, "+sd", files
            )

        return send

    def ours(
        port: int, prepare: Callable[[], object], associations: int = 4
    ) -> Callable[[], dict[str, Any]]:
        def send() -> dict[str, Any]:
            prepare()
            return run.worker("store", port, files, associations)

        return send

    port, clear = orthanc.dicom_port, orthanc.clear
    one = run.compare("C-STORE to Orthanc, one association", storescu(port, clear),
                      ours(port, clear, 1))  # fmt: skip
    many = run.compare("C-STORE to Orthanc", storescu(port, clear), ours(port, clear))
    nothing = dict
    scp_one = run.compare("C-STORE to storescp, one association", storescu(scp, nothing),
                          ours(scp, nothing, 1))  # fmt: skip
    scp_many = run.compare("C-STORE to storescp", storescu(scp, nothing), ours(scp, nothing))
    return {
        "store_to_orthanc": many,
        "store_to_orthanc_one_association": one,
        "store_to_storescp": scp_many,
        "store_to_storescp_one_association": scp_one,
    }


def cpu(run: Run, files: Path, orthanc: OrthancServer, scp: int, study: str, series: Path) -> dict:
    """CPU time an instance, ours and plain pynetdicom's."""
    rows = {
        "sending": (["store", scp, files], ["plain-store", scp, files]),
        "receiving": (
            ["fetch", "C-GET", orthanc.dicom_port, study, series],
            ["plain-get", orthanc.dicom_port, study, series],
        ),
    }
    ratios = {}
    for name, (ours, theirs) in rows.items():
        each = []
        for command in (ours, theirs):
            arguments = [*command, run.folder()] if name == "receiving" else command
            results = [run.worker(*arguments) for _ in range(run.rounds)]
            assert all(result["count"] == run.count for result in results)
            each.append(1000 * min(result["cpu"] for result in results) / run.count)
        print(f"CPU ms an instance, {name}: ours {each[0]:.2f}, plain pynetdicom {each[1]:.2f}")
        ratios[f"cpu_saving_{name}"] = round(each[1] / each[0], 2)
    return ratios


def memory(run: Run, scp: int, receiver: psutil.Process, receiver_port: int) -> dict[str, float]:
    """Growth of the resident memory in MB over one large object."""
    growth = {}
    result = run.worker("big-store", scp, "DEST", run.folder(), run.megabytes)
    assert result["count"] == 1
    growth["sent"] = result["growth_mb"]
    folder = run.folder()
    result = run.worker("big-get", folder, run.megabytes)
    assert result["count"] == 1
    growth["received by C-GET"] = result["growth_mb"]
    shutil.rmtree(folder)
    before = peak_mb(receiver)
    result = run.worker("big-store", receiver_port, "ADIT_RECEIVER", run.folder(), run.megabytes)
    assert result["count"] == 1
    growth["taken in by the receiver"] = peak_mb(receiver) - before
    for name, megabytes in growth.items():
        print(f"memory over {run.megabytes} MB {name}: {megabytes:.0f} MB more at the peak")
    return growth


def peak_mb(process: psutil.Process) -> float:
    """The highest resident memory so far of a process and its children."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        for line in Path(f"/proc/{one.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total += int(line.split()[1])
    return total / 1024


def measure(run: Run) -> tuple[dict[str, float], dict[str, float]]:
    """Start the peers and measure all."""
    files = run.base / "study"
    files.mkdir()
    study, contents = write_study(files, run.count)
    series = run.base / "series.json"
    series.write_text(json.dumps(contents))
    port, move_port, scp = free_port(), free_port(), free_port()
    source = OrthancServer("ORTHANC", run.base / "source")
    target = OrthancServer("ORTHANC2", run.base / "target")
    source.modalities = {
        "movescu": Modality("MOVESCU", move_port),
        "receiver": Modality("ADIT_RECEIVER", port),
    }
    storescp = subprocess.Popen(
        ["/usr/bin/storescp", "--ignore", "-pdu", "131072", str(scp)], env=ENVIRONMENT
    )
    receiver = None
    try:
        with EmbeddedPostgres(run.base / "postgres") as postgres, source, target:
            run.environment |= {
                "DATABASE_URL": postgres.url,
                "DJANGO_SETTINGS_MODULE": "adit.settings.test",
                "ENVIRONMENT": "test",
                "RECEIVER_AE_TITLE": "ADIT_RECEIVER",
                "SPOOL_DIR": str(run.base / "spool"),
                "STORE_SCP_PORT": str(port),
                "FILE_TRANSMIT_PORT": str(free_port()),
                "RECEIVER_EXTRA_SENDERS": "*@127.0.0.1",
            }
            manage = [sys.executable, "manage.py"]
            subprocess.run(
                [*manage, "migrate", "-v0"], cwd=ROOT, env=run.environment, check=True, timeout=300
            )
            receiver = subprocess.Popen(
                [*manage, "receiver"], cwd=ROOT, env=run.environment, stdout=subprocess.DEVNULL
            )
            wait_until(lambda: accepts_connections(port), "receiver", timeout=60)
            wait_until(lambda: accepts_connections(scp), "storescp", timeout=60)
            run.worker("store", source.dicom_port, files)
            ratios = retrieval(run, source, study, series, move_port)
            ratios |= cpu(run, files, source, scp, study, series)
            ratios |= sending(run, files, target, scp)
            growth = memory(run, scp, psutil.Process(receiver.pid), port)
    finally:
        for process in (storescp, receiver):
            if process is not None:
                process.terminate()
                process.wait(30)
    return ratios, growth


def receiver_ratios(quick: bool) -> dict[str, float]:
    """What the receiver's own benchmark finds; before the others, which delete many files."""
    command = [sys.executable, str(ROOT / "benchmarks/receiver.py")]
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])], cwd=ROOT, stdout=subprocess.PIPE, timeout=1800
    )
    *table, last = done.stdout.decode().splitlines()
    print("\n".join(table))
    found = json.loads(last)["ratios"]
    return {ours: found[theirs] for ours, theirs in RECEIVER_RATIOS.items()}


def main() -> int:
    """Measure and compare with the targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller instances")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adit-benchmark-") as name:
        base = Path(name)
        base.chmod(0o755)
        run = (
            Run(base, count=150, rounds=2, megabytes=300)
            if options.quick
            else Run(base, count=600, rounds=3, megabytes=2048)
        )
        ratios = receiver_ratios(options.quick)
        found, growth = measure(run)
    ratios |= found
    print(f"\n{'instances/s':42}{'DCMTK':>8}{'ADIT':>8}{'ratio':>8}")
    for title, theirs, ours in run.rows:
        print(f"{title:42}{theirs:8.0f}{ours:8.0f}{ours / theirs:8.2f}")
    passed = all(ratios[key] >= target for key, target in TARGETS.items())
    passed = passed and all(megabytes < GROWTH_MB for megabytes in growth.values())
    result = {"benchmark": "dimse", "ratios": ratios, "targets": TARGETS, "passed": passed}
    result["memory_growth_mb"] = {name: round(value) for name, value in growth.items()}
    print(json.dumps(result))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
