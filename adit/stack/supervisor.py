"""Keeps a set of processes running: starts them in order, restarts what crashes, stops all."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from adit.stack.processes import MARK, Account, end_marked, kill_group, spawn

_TICK = 0.05
_ECHO_SECONDS = 1
_RESTART_WAITS = (0.5, 1, 2, 5, 10, 30)
# A process that ran this long before it crashed starts again without delay.
_HEALTHY_SECONDS = 60


class ServiceFailed(Exception):
    """A service that the others wait for cannot be started."""


class State(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    CRASHED = "crashed"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Service:
    """A process and how to look after it.

    Attributes:
        ready: tells whether the process does its work already; called again and again in a
            thread. Without it a process is ready as soon as it runs.
        needs: names of services that must be ready (or done) before this one starts, and that
            stop after it.
        once: the process is expected to end by itself; it is done when its exit code is 0.
        start_seconds: how long it may take to become ready at the first start.
        stop_seconds: how long it may take to stop before it is killed.
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] | None = None
    needs: tuple[str, ...] = ()
    once: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = 120
    stop_seconds: float = 10


def mark_of(logs: Path) -> str:
    """What marks the processes of the supervisor that writes to `logs`."""
    return str(logs.absolute())


class Running:
    """What is known of one service at the moment."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.state = State.WAITING
        self.detail = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.probe: Future[bool] | None = None
        self.began = 0.0
        self.restarts = 0
        self.start_again_at = 0.0
        self.was_ready = False

    @property
    def is_up(self) -> bool:
        return self.state in (State.READY, State.DONE)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began if self.began else 0.0


class Supervisor:
    """Runs services until it is told to stop.

    All processes are started by the thread that calls `run`, for they end when it ends (see
    `spawn`). Each writes to a log file of its own.

    Args:
        services: in any order; what each one needs is started first.
        logs: the folder of the log files; no other supervisor may use it at the same time.
        on_change: called with a service whose state has changed.
    """

    def __init__(
        self,
        services: Sequence[Service],
        logs: Path,
        on_change: Callable[[Running], None] = lambda running: None,
    ) -> None:
        self.services = {service.name: Running(service) for service in services}
        self._logs = logs
        self._on_change = on_change
        # Plain values: a signal handler may set them, but may not take a lock.
        self._stop = False
        self._stop_asked_at = 0.0
        self._hurry = False
        self._mark = mark_of(logs)
        self._probes = ThreadPoolExecutor(max_workers=max(1, len(services)))

    def log_file(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def request_stop(self) -> None:
        """Make `run` stop everything and return; asked a second time, it kills what still runs.

        A launcher passes on the Ctrl-C that this process has got from the terminal as well, so
        what comes at once counts as the same request.
        """
        now = time.monotonic()
        if not self._stop:
            self._stop_asked_at = now
        self._hurry = self._stop and now - self._stop_asked_at > _ECHO_SECONDS
        self._stop = True

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Start everything, call `on_ready` once all is up, look after it until `request_stop` or
        a signal (SIGINT, SIGTERM, SIGHUP) says to stop, and stop everything.

        Raises:
            ServiceFailed: a service did not come up; the others are stopped by then.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        announced = False
        with self._signals():
            try:
                while not self._stop:
                    for running in self.services.values():
                        self._look_after(running)
                    if not announced and all(each.is_up for each in self.services.values()):
                        announced = True
                        on_ready()
                    time.sleep(_TICK)
            finally:
                if not self._stop:
                    self.request_stop()
                self._stop_all()
                self._probes.shutdown(wait=False, cancel_futures=True)

    def _look_after(self, running: Running) -> None:
        service, process = running.service, running.process
        if running.state is State.WAITING:
            if all(self.services[name].is_up for name in service.needs):
                self._start(running)
        elif running.state is State.CRASHED:
            if time.monotonic() >= running.start_again_at:
                self._start(running)
        elif running.state in (State.STARTING, State.READY):
            assert process is not None
            code = process.poll()
            if code is not None:
                self._handle_exit(running, code)
            elif running.state is State.STARTING and self._is_ready(running):
                running.was_ready = True
                self._change(running, State.READY)
            elif not running.was_ready and running.seconds > service.start_seconds:
                self._fail(running, f"not ready after {service.start_seconds:g} s")

    def _start(self, running: Running) -> None:
        service = running.service
        log = self.log_file(service.name)
        if not running.restarts:
            log.unlink(missing_ok=True)
        running.began = time.monotonic()
        running.probe = None
        try:
            running.process = spawn(
                service.command,
                log=log,
                env={**service.env, MARK: self._mark},
                cwd=service.cwd,
                account=service.account,
                death_signal=service.stop_signal,
            )
        except OSError as err:
            self._fail(running, str(err))
        self._change(running, State.STARTING)

    def _is_ready(self, running: Running) -> bool:
        """Look at the probe that runs, or begin one; never wait."""
        if running.service.once:
            return False
        if running.service.ready is None:
            return True
        if running.probe is None:
            running.probe = self._probes.submit(running.service.ready)
        if not running.probe.done():
            return False
        probe, running.probe = running.probe, None
        return probe.result()

    def _handle_exit(self, running: Running, code: int) -> None:
        assert running.process is not None
        kill_group(running.process)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        if running.service.once:
            if code:
                self._fail(running, how)
            self._change(running, State.DONE)
            return
        if running.seconds > _HEALTHY_SECONDS:
            running.restarts = 0
        if not running.was_ready and running.restarts >= 2:
            self._fail(running, how)
        wait = _RESTART_WAITS[min(running.restarts, len(_RESTART_WAITS) - 1)]
        running.restarts += 1
        running.start_again_at = time.monotonic() + wait
        self._change(running, State.CRASHED, f"{how}, again in {wait:g} s")

    def _fail(self, running: Running, why: str) -> None:
        log = self.log_file(running.service.name)
        self._change(running, State.FAILED, why)
        tail = log.read_text(errors="replace")[-3000:].strip() if log.is_file() else ""
        raise ServiceFailed(f"{running.service.name}: {why}; log: {log}\n{tail}")

    def _change(self, running: Running, state: State, detail: str = "") -> None:
        running.state, running.detail = state, detail
        self._on_change(running)

    def _stop_all(self) -> None:
        """Stop in waves: first what nothing depends on, the services that all need at last."""
        remaining = {
            name: running
            for name, running in self.services.items()
            if running.process is not None and running.process.poll() is None
        }
        while remaining:
            needed = {need for name in remaining for need in self._all_needs(name)}
            wave = [running for name, running in remaining.items() if name not in needed]
            self._stop_wave(wave)
            for running in wave:
                del remaining[running.service.name]
        end_marked(self._mark)

    def _stop_wave(self, wave: list[Running]) -> None:
        began = time.monotonic()
        for running in wave:
            assert running.process is not None
            self._change(running, State.STOPPING)
            running.process.send_signal(running.service.stop_signal)
        waiting = list(wave)
        while waiting:
            for running in list(waiting):
                process = running.process
                assert process is not None
                late = time.monotonic() - began > running.service.stop_seconds
                killed = process.poll() is None and (late or self._hurry)
                if killed or process.poll() is not None:
                    kill_group(process)
                    process.wait()
                    waiting.remove(running)
                    self._change(running, State.STOPPED, "killed" if killed else "")
            time.sleep(_TICK)

    def _all_needs(self, name: str) -> set[str]:
        direct = set(self.services[name].service.needs)
        return direct.union(*(self._all_needs(need) for need in direct))

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Let the usual signals ask for a stop, as long as the supervisor runs."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {
            number: signal.signal(number, lambda *_: self.request_stop()) for number in numbers
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
