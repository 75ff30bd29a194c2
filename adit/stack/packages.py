"""The Debian packages that the integration and acceptance tests need."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from adit.stack import orthanc

_INSTALL = ("install", "--yes", "--no-install-recommends")
# For what is only wanted: a machine without network shall not wait for it.
_IMPATIENT = ("-o", "Acquire::http::Timeout=10", "-o", "Acquire::Retries=0")


class MissingPackages(Exception):
    """Packages are missing and may not be installed from here; the message is the command that
    installs them."""


@dataclass(frozen=True)
class SystemPackage:
    """A Debian package and how to see that what it brings is there, from wherever.

    Attributes:
        is_replaced: whether something else is there that does its work, if not as well: then it is
            installed where that can be done, and its absence is no fault.
    """

    name: str
    is_present: Callable[[], bool]
    is_replaced: Callable[[], bool] = lambda: False


def _has_programs(*names: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(name) for name in names)


TEST_PACKAGES = (
    SystemPackage("orthanc", lambda: orthanc.find_program() is not None),
    SystemPackage("orthanc-dicomweb", lambda: orthanc.find_dicomweb_plugin() is not None),
    # Its echoscu, storescu and so on have namesakes among pynetdicom's scripts; these have not.
    SystemPackage("dcmtk", _has_programs("dcmqrscp", "dcmdump", "dcmsend")),
    SystemPackage("7zip", lambda: bool(shutil.which("7zz") or shutil.which("7z"))),
    # A whole Chromium makes a window for each context, which takes a second of computing.
    SystemPackage(
        "chromium-headless-shell",
        _has_programs("chromium-headless-shell"),
        _has_programs("chromium"),
    ),
)


def missing_packages() -> list[str]:
    """The names of the packages that are not there and that nothing replaces."""
    return [name for name in _absent_packages() if not _is_replaced(name)]


def _absent_packages() -> list[str]:
    return [package.name for package in TEST_PACKAGES if not package.is_present()]


def _is_replaced(name: str) -> bool:
    return any(package.name == name and package.is_replaced() for package in TEST_PACKAGES)


def ensure_packages() -> list[str]:
    """Install what is missing; return the names of what was installed.

    Raises:
        MissingPackages: something is missing, and this is not root, sudo wants a password, or
            apt-get is not there or failed.
    """
    absent, needed = _absent_packages(), missing_packages()
    if not absent:
        return []
    prefix = _root_prefix()
    if prefix is None or shutil.which("apt-get") is None:
        if needed:
            raise MissingPackages(_advice(needed))
        return []
    apt_get = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]
    apt_get += () if needed else _IMPATIENT
    subprocess.run([*apt_get, "update"], stdout=subprocess.DEVNULL)
    # One that cannot be had lets the whole command fail.
    for names in (needed, [name for name in absent if name not in needed]):
        if names:
            subprocess.run([*apt_get, *_INSTALL, *names], stdout=subprocess.DEVNULL)
    orthanc.find_program.cache_clear()
    orthanc.find_dicomweb_plugin.cache_clear()
    if missing_packages():
        raise MissingPackages(_advice(missing_packages()))
    if "orthanc" in needed:
        _stop_system_orthanc(prefix)
    still = _absent_packages()
    return [name for name in absent if name not in still]


def _advice(names: list[str]) -> str:
    command = " ".join(["sudo", "apt-get", *_INSTALL, *names])
    return f"The tests need more programs. Install them with:\n  {command}"


def _root_prefix() -> tuple[str, ...] | None:
    """What to put before a command so that root runs it; None if that cannot be had."""
    if os.geteuid() == 0:
        return ()
    if shutil.which("sudo") is None:
        return None
    check = subprocess.run(["sudo", "--non-interactive", "true"], capture_output=True)
    return ("sudo", "--non-interactive") if check.returncode == 0 else None


def _stop_system_orthanc(prefix: tuple[str, ...]) -> None:
    """Stop the server that the package starts by itself where systemd runs; the tests start
    servers of their own and this one would only take ports."""
    if shutil.which("systemctl"):
        subprocess.run([*prefix, "systemctl", "disable", "--now", "orthanc"], capture_output=True)
