"""Child processes that do not outlive their parent and leave nothing behind when they stop."""

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# A variable in the environment of a process that, by inheritance, marks all that it starts.
MARK = "ADIT_SUPERVISOR"
# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Account:
    """The user and group as which a program runs that refuses to run as root.

    With `reads_everything` it may read and enter folders of others (CAP_DAC_READ_SEARCH), so a
    program below a closed folder, like the one of root, works without opening that folder.
    """

    uid: int
    gid: int
    reads_everything: bool = False


def unprivileged_account(*paths: Path) -> Account:
    """The account `nobody`, able to reach each of `paths`."""
    nobody = pwd.getpwnam("nobody")
    closed = any(
        not folder.stat().st_mode & stat.S_IXOTH for path in paths for folder in path.parents
    )
    return Account(nobody.pw_uid, nobody.pw_gid, reads_everything=closed)


def spawn(
    command: Sequence[str],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, so that a Ctrl-C reaches the parent alone.

    On Linux the kernel sends `death_signal` to the child when the thread that called this ends,
    for whatever reason; call it from a thread that lives as long as the child shall.

    Args:
        log: gets the child's output (appended); without it the output is dropped.
        env: added to the environment of this process.
        account: runs the child as another user; only root may.
    """
    preexec = None
    if account is not None:
        command = [*_setpriv(account, death_signal), *command]
    elif _libc is not None:
        preexec = _die_with_parent(death_signal)
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=preexec,
        )


def bytecode_cache(root: Path) -> dict[str, str]:
    """Environment for several Python processes on the same code.

    Where Python is told not to write bytecode, each process would compile all that it imports,
    for seconds; they share a cache below `root` then.
    """
    if not sys.dont_write_bytecode:
        return {}
    cache = root / ".adit" / "bytecode"
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(cache)}


def run(
    command: Sequence[str], *, account: Account | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end with `text` as its input; its output and errors are one text."""
    if account is not None:
        command = [*_setpriv(account, signal.SIGTERM), *command]
    return subprocess.run(
        list(command), input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def stop_process(
    process: subprocess.Popen[bytes],
    stop_signal: signal.Signals = signal.SIGTERM,
    timeout: float = 10,
) -> int:
    """Ask the process to end, kill it after `timeout` seconds, then kill what is left of its
    process group. Returns its exit code (negative for the signal that ended it)."""
    if process.poll() is None:
        process.send_signal(stop_signal)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            kill_group(process)
    kill_group(process)
    return process.wait()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and all of its process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def end_marked(mark: str, patience: float = 0) -> None:
    """End the processes that have `mark` in their environment, in whatever session they run;
    those that do not end by themselves within `patience` seconds are killed."""
    found = [process for process in psutil.process_iter() if _mark_of(process) == mark]
    _, alive = psutil.wait_procs(found, timeout=patience)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=10)


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except psutil.Error:
        return None


def _die_with_parent(death_signal: signal.Signals):
    assert _libc is not None
    prctl, parent, number = _libc.prctl, os.getpid(), int(death_signal)

    def preexec() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the kernel was told
            os._exit(1)

    return preexec


def _setpriv(account: Account, death_signal: signal.Signals) -> list[str]:
    """The command line that becomes `account` and then runs what follows.

    setpriv replaces itself by the program, so the process id stays. The parent-death signal is
    set by it, because a change of user clears one that was set before (prctl(2)). access(2) would
    ignore the capability without the secure bit (capabilities(7)).
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise FileNotFoundError("setpriv (of util-linux) is needed to start programs as root.")
    command = [setpriv, f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    if account.reads_everything:
        command += [
            "--securebits=+no_setuid_fixup",
            "--inh-caps=-all,+dac_read_search",
            "--ambient-caps=+dac_read_search",
        ]
    return [*command, f"--pdeathsig={death_signal.name.removeprefix('SIG')}", "--"]
