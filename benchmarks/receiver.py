"""The receiver against a plain pynetdicom Storage SCP that writes `encoded_dataset()`.

Four storescu of DCMTK send at the same time, each 0.5 MB instances; both receivers get the same in
the same run, three times in turn, and of each the best is taken. The plain one neither syncs nor
hashes nor knows a database; ours does all of it.

Nothing is deleted on the way: ext4 without a journal looks at every inode that was deleted within
the last minutes before it makes a file, which costs either receiver up to 0.1 ms each.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from adit.stack.ports import accepts_connections, free_port, wait_until  # noqa: E402
from adit.stack.postgres import EmbeddedPostgres  # noqa: E402
from adit.test_pacs.phantoms import PATIENTS, study_instances  # noqa: E402

SENDERS = 4
ROUNDS = 3
TARGETS = {"instances_per_second": 1.5, "cpu_saving": 3.0}

PLAIN = textwrap.dedent(
    """
    import socket, sys, uuid
    from pathlib import Path
    from pynetdicom import AE, _config, evt
    _config.UNRESTRICTED_STORAGE_SERVICE = True
    folder = Path(sys.argv[2])
    def opened(event):
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    def store(event):
        (folder / uuid.uuid4().hex).write_bytes(event.encoded_dataset())
        return 0
    ae = AE("ADIT_RECEIVER")
    ae.maximum_pdu_size = 131072
    ae.maximum_associations = 100
    ae.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[
        (evt.EVT_CONN_OPEN, opened), (evt.EVT_C_STORE, store)])
    """
)


def write_study(folder: Path, count: int) -> None:
    """Write so many CT instances of 512 x 512 pixels."""
    patient = next(patient for patient in PATIENTS if patient.patient_id == "1008")
    for number, ds in enumerate(study_instances(patient, patient.studies[0], 3.2)):
        if number == count:
            return
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)


@contextlib.contextmanager
def running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[int]:
    """Have a receiver run; yields its process ID."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: accepts_connections(port), command[1], timeout=60)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def measure(pid: int, port: int, study: Path) -> dict[str, float]:
    """Send to a receiver once, and return its throughput and its CPU time."""
    count = len(list(study.iterdir())) * SENDERS
    use_memory(study.parent, sum(path.stat().st_size for path in study.iterdir()) * SENDERS)
    before, started = cpu_seconds(pid), time.perf_counter()
    send(port, study, SENDERS)
    seconds = time.perf_counter() - started
    cpu = cpu_seconds(pid) - before
    return {"per_second": count / seconds, "cpu_ms": 1000 * cpu / count}


def best(rounds: list[dict[str, float]]) -> dict[str, float]:
    """The highest throughput and the least CPU time of some rounds."""
    return {
        "per_second": max(one["per_second"] for one in rounds),
        "cpu_ms": min(one["cpu_ms"] for one in rounds),
    }


def use_memory(folder: Path, size: int) -> None:
    """Have twice so many bytes in the page cache, and free them again.

    A virtual machine gets memory from its host when it is first used, which costs as much as all
    else that is done with an instance, and whoever comes first. A machine in use has it already.
    """
    path, piece = folder / "memory", bytes(1 << 20)
    with path.open("wb") as file:
        for _ in range(2 * size >> 20):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def cpu_seconds(pid: int) -> float:
    """What a process and its children have used so far."""
    parent = psutil.Process(pid)
    times = [one.cpu_times() for one in [parent, *parent.children(recursive=True)]]
    return sum(one.user + one.system for one in times)


def send(port: int, study: Path, senders: int) -> None:
    """Send the study from so many senders at once."""
    command = ["storescu", "-aec", "ADIT_RECEIVER", "127.0.0.1", str(port), "+sd", str(study)]
    environment = os.environ | {"TCP_NODELAY": "1"}
    running = [
        subprocess.Popen(["/usr/bin/" + command[0], *command[1:]], env=environment)
        for _ in range(senders)
    ]
    assert [process.wait(600) for process in running] == [0] * senders


def compare(*, quick: bool) -> dict[str, dict[str, float]]:
    """Measure both receivers in turn: `per_second` and `cpu_ms` of each, the best of the rounds."""
    with tempfile.TemporaryDirectory(prefix="adit-benchmark-") as name:
        base = Path(name)
        base.chmod(0o755)
        study, plain = base / "study", base / "plain"
        study.mkdir()
        plain.mkdir()
        write_study(study, 60 if quick else 300)
        with EmbeddedPostgres(base / "postgres") as postgres:
            ports = {"receiver": free_port(), "plain pynetdicom": free_port()}
            environment = os.environ | {
                "DATABASE_URL": postgres.url,
                "DJANGO_SETTINGS_MODULE": "adit.settings.test",
                "ENVIRONMENT": "test",
                "SPOOL_DIR": str(base / "spool"),
                "STORE_SCP_PORT": str(ports["receiver"]),
                "FILE_TRANSMIT_PORT": str(free_port()),
                "RECEIVER_EXTRA_SENDERS": "*@127.0.0.1",
            }
            manage = [sys.executable, "manage.py"]
            subprocess.run(
                [*manage, "migrate", "-v0"], cwd=ROOT, env=environment, check=True, timeout=300
            )
            commands = {
                "receiver": [*manage, "receiver"],
                "plain pynetdicom": [
                    *(sys.executable, "-c", PLAIN),
                    *(str(ports["plain pynetdicom"]), str(plain)),
                ],
            }
            with contextlib.ExitStack() as stack:
                pids = {
                    name: stack.enter_context(running(command, ports[name], environment))
                    for name, command in commands.items()
                }
                for port in ports.values():
                    send(port, study, 1)
                rounds: dict[str, list[dict[str, float]]] = {name: [] for name in pids}
                for _ in range(ROUNDS):
                    for name, pid in pids.items():
                        rounds[name].append(measure(pid, ports[name], study))
                        print(f"{name:20} {rounds[name][-1]}", file=sys.stderr)
    return {name: best(of) for name, of in rounds.items()}


def ratios_of(results: dict[str, dict[str, float]]) -> dict[str, float]:
    """How much better the receiver is."""
    ours, theirs = results["receiver"], results["plain pynetdicom"]
    return {
        "instances_per_second": round(ours["per_second"] / theirs["per_second"], 2),
        "cpu_saving": round(theirs["cpu_ms"] / ours["cpu_ms"], 2),
    }


def print_table(results: dict[str, dict[str, float]]) -> None:
    """For people."""
    print(f"{'':24}{'instances/s':>12}{'CPU ms each':>14}")
    for title, result in results.items():
        print(f"{title:24}{result['per_second']:12.0f}{result['cpu_ms']:14.2f}")


def main() -> int:
    """Measure both and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer instances")
    results = compare(quick=parser.parse_args().quick)
    print_table(results)
    ratios = ratios_of(results)
    passed = all(ratios[key] >= target for key, target in TARGETS.items())
    print(
        json.dumps(
            {"benchmark": "receiver", "ratios": ratios, "targets": TARGETS, "passed": passed}
        )
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
