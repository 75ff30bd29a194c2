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
