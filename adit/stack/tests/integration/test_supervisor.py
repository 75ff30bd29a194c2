"""The supervisor starts in order, restarts what is killed, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from adit.stack.ports import wait_until
from adit.stack.supervisor import Running, Service, ServiceFailed, State, Supervisor

pytestmark = [pytest.mark.integration, pytest.mark.processes, pytest.mark.patience]

_SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
_STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('ready', flush=True); time.sleep(600)",
]
_SLOW_TO_STOP = [
    sys.executable,
    "-c",
    "import signal, sys, time\n"
    "def stop(*_):\n time.sleep(2); print('bye', flush=True); sys.exit()\n"
    "signal.signal(signal.SIGTERM, stop); print('ready', flush=True); time.sleep(600)",
]
# Starts a process in a session of its own, tells its number and waits.
_PARENT = [
    sys.executable,
    "-c",
    "import subprocess, sys, time; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], "
    "start_new_session=True); print(child.pid, flush=True); time.sleep(600)",
]


class Journal:
    """Remembers the states that services went through."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, State]] = []
        self.times: list[float] = []

    def __call__(self, running: Running) -> None:
        self.entries.append((running.service.name, running.state))
        self.times.append(time.monotonic())

    def times_of(self, name: str, state: State) -> list[float]:
        return [
            t for entry, t in zip(self.entries, self.times, strict=True) if entry == (name, state)
        ]

    def position(self, name: str, state: State) -> int:
        return self.entries.index((name, state))


@contextmanager
def _running(supervisor: Supervisor) -> Iterator[threading.Thread]:
    """Run the supervisor beside the test until the end of the block."""
    ready = threading.Event()
    thread = threading.Thread(target=supervisor.run, args=(ready.set,))
    thread.start()
    try:
        assert ready.wait(30)
        yield thread
    finally:
        supervisor.request_stop()
        thread.join(30)
        assert not thread.is_alive()


def _pid(supervisor: Supervisor, name: str) -> int:
    process = supervisor.services[name].process
    assert process is not None
    return process.pid


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def _code(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_a_service_starts_after_what_it_needs_and_stops_before_it(tmp_path: Path):
    journal = Journal()
    services = [
        Service(name="web", command=_SLEEP, needs=("migrations",)),
        Service(name="migrations", command=_code("print('done')"), once=True, needs=("base",)),
        Service(name="base", command=_SLEEP),
    ]
    with _running(Supervisor(services, tmp_path, journal)):
        pass
    order = [
        ("base", State.READY),
        ("migrations", State.STARTING),
        ("migrations", State.DONE),
        ("web", State.STARTING),
        ("web", State.READY),
        ("web", State.STOPPED),
        ("base", State.STOPPING),
        ("base", State.STOPPED),
    ]
    positions = [journal.position(*entry) for entry in order]
    assert positions == sorted(positions)


def test_a_service_is_ready_when_its_probe_says_so(tmp_path: Path):
    flag = tmp_path / "flag"
    service = Service(
        name="slow",
        command=_code(f"import time; time.sleep(0.5); open({str(flag)!r}, 'w'); time.sleep(600)"),
        ready=flag.exists,
    )
    supervisor = Supervisor([service], tmp_path / "logs")
    with _running(supervisor):
        assert flag.exists()
        assert supervisor.services["slow"].state is State.READY


def test_a_killed_process_comes_back(tmp_path: Path):
    journal = Journal()
    supervisor = Supervisor([Service(name="worker", command=_SLEEP)], tmp_path, journal)
    with _running(supervisor):
        first = _pid(supervisor, "worker")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: _pid(supervisor, "worker") != first, "the restart")
        second = _pid(supervisor, "worker")
        wait_until(lambda: supervisor.services["worker"].state is State.READY, "ready again")
    assert ("worker", State.CRASHED) in journal.entries
    assert _is_gone(second)


def test_restarts_wait_longer_each_time(tmp_path: Path):
    journal = Journal()
    service = Service(name="worker", command=_code("import time; time.sleep(1)"))
    supervisor = Supervisor([service], tmp_path, journal)
    with _running(supervisor):
        wait_until(lambda: len(journal.times_of("worker", State.CRASHED)) >= 4, "four crashes")
    crashes = journal.times_of("worker", State.CRASHED)
    starts = journal.times_of("worker", State.STARTING)
    waits = [again - crash for crash, again in zip(crashes, starts[1:4], strict=False)]
    assert all(waited >= wait for waited, wait in zip(waits, (0.5, 1, 2), strict=True)), waits


def test_a_stubborn_process_is_killed(tmp_path: Path):
    service = Service(name="stubborn", command=_STUBBORN, stop_seconds=0.5)
    supervisor = Supervisor([service], tmp_path)
    with _running(supervisor):
        wait_until(lambda: "ready" in supervisor.log_file("stubborn").read_text(), "its word")
        pid = _pid(supervisor, "stubborn")
    assert _is_gone(pid)
    assert supervisor.services["stubborn"].detail == "killed"


def test_a_second_request_to_stop_does_not_wait(tmp_path: Path):
    supervisor = Supervisor(
        [Service(name="stubborn", command=_STUBBORN, stop_seconds=300)], tmp_path
    )
    with _running(supervisor):
        wait_until(lambda: "ready" in supervisor.log_file("stubborn").read_text(), "its word")
        start = time.monotonic()
        supervisor.request_stop()
        time.sleep(1.5)
    assert time.monotonic() - start < 10


def test_the_echo_of_a_request_to_stop_is_no_second_one(tmp_path: Path):
    service = Service(name="slow", command=_SLOW_TO_STOP)
    supervisor = Supervisor([service], tmp_path)
    with _running(supervisor):
        wait_until(lambda: "ready" in supervisor.log_file("slow").read_text(), "its word")
        supervisor.request_stop()
        time.sleep(0.3)
    assert "bye" in supervisor.log_file("slow").read_text()
    assert supervisor.services["slow"].detail == ""


def test_grandchildren_end_too_whatever_session_they_are_in(tmp_path: Path):
    supervisor = Supervisor([Service(name="parent", command=_PARENT)], tmp_path)
    log = supervisor.log_file("parent")
    with _running(supervisor):
        wait_until(lambda: log.read_text().endswith("\n"), "the grandchild")
        grandchild = int(log.read_text())
        assert not _is_gone(grandchild)
    wait_until(lambda: _is_gone(grandchild), "its end", timeout=5)


def test_a_step_that_fails_stops_all_and_is_told_with_its_log(tmp_path: Path):
    services = [
        Service(name="base", command=_SLEEP),
        Service(
            name="migrations",
            command=_code("raise SystemExit('no such table')"),
            once=True,
            needs=("base",),
        ),
        Service(name="web", command=_SLEEP, needs=("migrations",)),
    ]
    supervisor = Supervisor(services, tmp_path)
    with pytest.raises(ServiceFailed, match="migrations: exit code 1(.|\n)*no such table"):
        supervisor.run()
    assert _is_gone(_pid(supervisor, "base"))
    assert supervisor.services["web"].process is None


def test_a_program_that_crashes_from_the_start_is_given_up(tmp_path: Path):
    service = Service(
        name="broken",
        command=_code("raise SystemExit('the port is taken')"),
        ready=lambda: False,
    )
    with pytest.raises(ServiceFailed, match="the port is taken"):
        Supervisor([service], tmp_path).run()


def test_a_program_that_is_not_there_is_told(tmp_path: Path):
    service = Service(name="absent", command=[str(tmp_path / "nothing")])
    with pytest.raises(ServiceFailed, match="absent"):
        Supervisor([service], tmp_path).run()


_SUPERVISE = """
import sys
from pathlib import Path
from adit.stack.supervisor import Service, Supervisor
command = [sys.executable, "-c", "import time; time.sleep(600)"]
supervisor = Supervisor([Service(name="one", command=command)], Path(sys.argv[1]))
supervisor.run(lambda: print(supervisor.services["one"].process.pid, flush=True))
"""


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A supervisor in a process of its own, and the number of the process that it keeps."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_with_a_clean_exit(
    supervised: tuple[subprocess.Popen[str], int], number: signal.Signals
):
    process, pid = supervised
    process.send_signal(number)
    assert process.wait(20) == 0
    assert _is_gone(pid)


def test_children_end_when_the_supervisor_is_killed(
    supervised: tuple[subprocess.Popen[str], int],
):
    process, pid = supervised
    process.kill()
    process.wait()
    wait_until(lambda: _is_gone(pid), "the end of the child", timeout=10)
