"""Values from the environment are typed, and nonsense is refused by name."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from adit.settings import env


def test_a_missing_variable_without_default_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ADIT_X", raising=False)
    with pytest.raises(ImproperlyConfigured, match="ADIT_X"):
        env.text("ADIT_X")


def test_a_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.delenv("ADIT_X", raising=False)
    monkeypatch.setenv("ADIT_X_FILE", str(tmp_path / "secret"))
    assert env.text("ADIT_X") == "s3cret"


def test_a_value_and_a_file_contradict_each_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ADIT_X", "a")
    monkeypatch.setenv("ADIT_X_FILE", "b")
    with pytest.raises(ImproperlyConfigured, match="ADIT_X or ADIT_X_FILE"):
        env.text("ADIT_X")


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("ADIT_X", raising=False)
    monkeypatch.setenv("ADIT_X_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match="ADIT_X_FILE"):
        env.text("ADIT_X")


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("0", False), ("", False)])
def test_booleans(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool):
    monkeypatch.setenv("ADIT_X", value)
    assert env.boolean("ADIT_X", not expected) is expected


def test_lists_ignore_blanks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ADIT_X", " PR, SR,,")
    assert env.words("ADIT_X") == ["PR", "SR"]


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda: env.boolean("ADIT_X", True), "perhaps"),
        (lambda: env.integer("ADIT_X", 1), "one"),
        (lambda: env.integer("ADIT_X", 1, 0), "-1"),
        (lambda: env.port("ADIT_X", 1), "65536"),
        (lambda: env.choice("ADIT_X", "a", ["a", "b"]), "c"),
        (lambda: env.ae_title("ADIT_X", "ADIT"), "SEVENTEEN_LETTERS"),
        (lambda: env.ae_title("ADIT_X", "ADIT"), "BACK\\SLASH"),
        (lambda: env.ae_title("ADIT_X", "ADIT"), ""),
        (lambda: env.database("ADIT_X"), "sqlite:///adit.db"),
        (lambda: env.database("ADIT_X"), "nonsense"),
    ],
)
def test_nonsense_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, read, value: str):
    monkeypatch.setenv("ADIT_X", value)
    with pytest.raises(ImproperlyConfigured, match="ADIT_X"):
        read()


def test_tests_read_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / ".env").write_text("ADIT_Z=file\n")
    monkeypatch.setenv("ENVIRONMENT", "test")
    env.load_dotenv(tmp_path / ".env")
    assert env.text("ADIT_Z", "unset") == "unset"


def test_variables_that_are_set_win_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / ".env").write_text("ADIT_X=file\nADIT_Y=file\n")
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("ADIT_X", "environment")
    monkeypatch.delenv("ADIT_Y", raising=False)
    env.load_dotenv(tmp_path / ".env")
    assert (env.text("ADIT_X"), env.text("ADIT_Y")) == ("environment", "file")
