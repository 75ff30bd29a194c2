"""Missing programs are named together with the command that installs them."""

import pytest

from adit.stack import packages
from adit.stack.packages import MissingPackages, SystemPackage, ensure_packages, missing_packages


def test_nothing_is_done_when_nothing_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packages, "TEST_PACKAGES", (SystemPackage("here", lambda: True),))
    assert missing_packages() == []
    assert ensure_packages() == []


def test_the_command_is_told_where_nothing_may_be_installed(monkeypatch: pytest.MonkeyPatch):
    lacking = (SystemPackage("here", lambda: True), SystemPackage("lacking", lambda: False))
    monkeypatch.setattr(packages, "TEST_PACKAGES", lacking)
    monkeypatch.setattr(packages, "_root_prefix", lambda: None)
    with pytest.raises(MissingPackages) as caught:
        ensure_packages()
    command = "sudo apt-get install --yes --no-install-recommends lacking"
    assert str(caught.value).endswith(command)


def test_what_something_else_replaces_is_not_needed(monkeypatch: pytest.MonkeyPatch):
    replaced = SystemPackage("better", lambda: False, is_replaced=lambda: True)
    monkeypatch.setattr(packages, "TEST_PACKAGES", (replaced,))
    monkeypatch.setattr(packages, "_root_prefix", lambda: None)
    assert missing_packages() == []
    assert ensure_packages() == []


@pytest.mark.parametrize("succeeds", [True, False])
def test_what_is_wanted_is_installed_apart_from_what_is_needed(
    succeeds: bool, monkeypatch: pytest.MonkeyPatch
):
    there: set[str] = set()
    wanted = (
        SystemPackage("needed", lambda: "needed" in there),
        SystemPackage("better", lambda: "better" in there, is_replaced=lambda: True),
    )

    def run(command: list[str], **options: object) -> None:
        if "install" in command and (succeeds or command[-1] == "needed"):
            there.add(command[-1])

    monkeypatch.setattr(packages, "TEST_PACKAGES", wanted)
    monkeypatch.setattr(packages, "_root_prefix", lambda: ())
    monkeypatch.setattr(packages.shutil, "which", lambda name: name)
    monkeypatch.setattr(packages.subprocess, "run", run)
    assert ensure_packages() == (["needed", "better"] if succeeds else ["needed"])
