"""The folder below `.adit` in which a running system keeps its data and its secrets."""

import base64
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import psutil

_SECRETS = ("DJANGO_SECRET_KEY", "FILE_TRANSMIT_KEY", "ANONYMIZATION_SEED")
_DATA = ("spool", "work", "folders")


class Workspace:
    """The data of one system started natively.

    Args:
        root: the project's folder.
        name: what runs in it, `demo` or `dev`.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self.folder = root / ".adit" / name
        self.logs = root / ".adit" / "logs" / name
        self.state_file = self.folder / "state.json"

    def prepare(self) -> None:
        """Make the folders; forget where a former run listened."""
        for name in _DATA:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.state_file.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete all data and secrets; the logs stay."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def secrets(self) -> dict[str, str]:
        """The secrets of this workspace as environment variables, made on first use.

        They live as long as the data that they encrypt.
        """
        file = self.folder / "secrets.json"
        if not file.is_file():
            values = fresh_secrets()
            _write_private(file, json.dumps(values, indent=2))
        return json.loads(file.read_text())

    def read_state(self) -> dict[str, Any] | None:
        """Where the system that runs in this workspace is to be found, or None if none does."""
        try:
            state = json.loads(self.state_file.read_text())
        except FileNotFoundError:
            return None
        return state if psutil.pid_exists(state["pid"]) else None

    def write_state(self, state: dict[str, object]) -> None:
        """Tell scripts where the running system is to be found, all at once."""
        aside = self.state_file.with_suffix(".new")
        _write_private(aside, json.dumps(state, indent=2))
        aside.replace(self.state_file)


def fresh_secrets() -> dict[str, str]:
    """New values for the variables that must be secret."""
    values = {name: secrets.token_urlsafe(48) for name in _SECRETS}
    # A Fernet key is 32 random bytes in URL-safe Base64.
    values["ENCRYPTION_KEY"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return values


def write_dotenv(root: Path) -> Path:
    """Copy `example.env` to `.env` and fill in fresh secrets.

    Raises:
        FileExistsError: there is an `.env` already; it may hold secrets that data depend on.
    """
    target = root / ".env"
    if target.exists():
        raise FileExistsError(f"{target} exists already; it is left as it is.")
    values = {**fresh_secrets(), "POSTGRES_PASSWORD": secrets.token_urlsafe(24)}
    lines = []
    for line in (root / "example.env").read_text().splitlines():
        name, equals, value = line.partition("=")
        lines.append(f"{name}={values[name]}" if equals and not value and name in values else line)
    _write_private(target, "\n".join(lines) + "\n")
    return target


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, at no time anybody else."""
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
