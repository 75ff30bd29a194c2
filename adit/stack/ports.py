"""Free TCP ports on the loopback interface, and waiting for something to become true."""

import random
import socket
import sys
import threading
import time
from collections.abc import Callable

LOOPBACK = "127.0.0.1"

# Below those that Linux gives to outgoing connections (ip_local_port_range), any of which could
# take a port before the server that is to listen there has started.
_PORTS = range(20_000, 32_768)

_given: set[int] = set()
_claims: list[socket.socket] = []
_lock = threading.Lock()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(preferred: int | None = None) -> int:
    """Return `preferred` if it is free, else any port that is.

    No port is given twice by one process, so several servers can be configured before the first
    of them listens. What is preferred is not given to another process either, as long as this one
    lives; other ports will hardly be drawn twice.
    """
    with _lock:
        if preferred and preferred not in _given and is_free(preferred) and _claim(preferred):
            _given.add(preferred)
            return preferred
        while True:
            port = random.choice(_PORTS)
            if port not in _given and is_free(port):
                _given.add(port)
                return port


def _claim(port: int) -> bool:
    """Keep other processes from being given the port before anything listens on it.

    An abstract socket name (unix(7)) belongs to the same network namespace as the port, and is
    free again when this process has ended, however it did. Only Linux has them.
    """
    if sys.platform != "linux":
        return True
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0adit-port-{port}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def accepts_connections(port: int, host: str = LOOPBACK, timeout: float = 1) -> bool:
    """Whether a server listens on `port`."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False


def wait_until(
    condition: Callable[[], bool], what: str, timeout: float = 30, interval: float = 0.05
) -> None:
    """Wait until `condition` holds.

    Raises:
        TimeoutError: it did not within `timeout` seconds; the message says `what` was awaited.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s.")
        time.sleep(interval)
