"""A workspace keeps its secrets, and tells where the system is only while it runs."""

import os
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from adit.stack.workspace import Workspace, write_dotenv


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path, "demo")
    workspace.prepare()
    return workspace


def test_secrets_stay_the_same_as_long_as_the_data(workspace: Workspace):
    first = workspace.secrets()
    assert workspace.secrets() == first
    workspace.remove()
    workspace.prepare()
    assert workspace.secrets() != first


def test_secrets_are_for_the_owner_alone(workspace: Workspace):
    secrets = workspace.secrets()
    assert (workspace.folder / "secrets.json").stat().st_mode & 0o077 == 0
    Fernet(secrets["ENCRYPTION_KEY"])
    assert len(secrets["DJANGO_SECRET_KEY"]) >= 50


def test_the_state_is_that_of_a_running_process(workspace: Workspace):
    assert workspace.read_state() is None
    workspace.write_state({"pid": os.getpid(), "web_url": "http://localhost:8000/"})
    state = workspace.read_state()
    assert state is not None and state["web_url"] == "http://localhost:8000/"
    assert workspace.state_file.stat().st_mode & 0o077 == 0
    # No system has so many processes (proc(5): pid_max is at most 2^22).
    workspace.write_state({"pid": 2**22 + 1})
    assert workspace.read_state() is None


def test_dotenv_gets_fresh_secrets_and_is_never_overwritten(tmp_path: Path):
    (tmp_path / "example.env").write_text("# About\nDJANGO_SECRET_KEY=\nSITE_NAME=ADIT\n# A=\n")
    file = write_dotenv(tmp_path)
    lines = file.read_text().splitlines()
    assert lines[0] == "# About"
    assert len(lines[1]) > len("DJANGO_SECRET_KEY=") + 50
    assert lines[2:] == ["SITE_NAME=ADIT", "# A="]
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        write_dotenv(tmp_path)
