"""The Debian packages that the integration and acceptance tests need."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from adit.stack import orthanc

_INSTALL = ("install", "--yes", "--no-install-recommends")


class MissingPackages(Exception):
    """Packages are missing and may not be installed from here; the message is the command that
    installs them."""


@dataclass(frozen=True)
class SystemPackage:
    """A Debian package and how to see that what it brings is there, from wherever."""

    name: str
    is_present: Callable[[], bool]


def _has_programs(*names: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(name) for name in names)


TEST_PACKAGES = (
    SystemPackage("orthanc", lambda: orthanc.find_program() is not None),
    SystemPackage("orthanc-dicomweb", lambda: orthanc.find_dicomweb_plugin() is not None),
    # Its echoscu, storescu and so on have namesakes among pynetdicom's scripts; these have not.
    SystemPackage("dcmtk", _has_programs("dcmqrscp", "dcmdump", "dcmsend")),
    SystemPackage("7zip", lambda: bool(shutil.which("7zz") or shutil.which("7z"))),
    SystemPackage("chromium", _has_programs("chromium")),
)


def missing_packages() -> list[str]:
    """The names of the packages that are not there."""
    return [package.name for package in TEST_PACKAGES if not package.is_present()]


def ensure_packages() -> list[str]:
    """Install what is missing; return the names of what was installed.

    Raises:
        MissingPackages: something is missing, and this is not root, sudo wants a password, or
            apt-get is not there or failed.
    """
    names = missing_packages()
    if not names:
        return []
    prefix = _root_prefix()
    if prefix is None or shutil.which("apt-get") is None:
        raise MissingPackages(_advice(names))
    apt_get = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]
    subprocess.run([*apt_get, "update"], stdout=subprocess.DEVNULL)
    install = [*apt_get, *_INSTALL, *names]
    result = subprocess.run(install, stdout=subprocess.DEVNULL)
    orthanc.find_program.cache_clear()
    orthanc.find_dicomweb_plugin.cache_clear()
    if result.returncode or missing_packages():
        raise MissingPackages(_advice(missing_packages()))
    if "orthanc" in names:
        _stop_system_orthanc(prefix)
    return names


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
