"""The checks of our own in `cli lint` find what they are for."""

import subprocess
from pathlib import Path

import pytest

from adit.stack.linting import MAX_LINES, find_index_addresses, find_long_files


@pytest.fixture
def project(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def _write(project: Path, name: str, text: str) -> None:
    file = project / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_long_files_are_found(project: Path):
    _write(project, "fits.py", "x = 1\n" * MAX_LINES)
    _write(project, "long.py", "x = 1\n" * (MAX_LINES + 1))
    _write(project, "page.html", "<p></p>\n" * (MAX_LINES + 1))
    assert [line.split(":")[0] for line in find_long_files(project)] == ["long.py", "page.html"]


def test_migrations_vendored_and_ignored_files_may_be_long(project: Path):
    _write(project, ".gitignore", "ignored.py\n")
    for name in ("app/migrations/0001.py", "static/vendor/x.js", "ignored.py"):
        _write(project, name, "x = 1\n" * (MAX_LINES + 1))
    assert list(find_long_files(project)) == []


# Written in two parts, for this file is checked as well.
@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ('"resolved"', ': "https://example.org/x"'),
        ("--index-", "url https://example.org/pypi"),
        ("registry", ' = "https://example.org/"'),
        ("https://example.org/pypi", "/simple/"),
        ("https://example.org/x-1.0-py3-none-any", ".whl"),
    ],
)
def test_addresses_of_package_indexes_are_found(project: Path, begin: str, end: str):
    _write(project, "lock.txt", f"first\n{begin}{end}\n")
    assert list(find_index_addresses(project)) == ["lock.txt:2: address of a package index"]


def test_other_addresses_are_fine(project: Path):
    _write(project, "README.md", "See https://docs.astral.sh/uv/ and https://example.org/.\n")
    assert list(find_index_addresses(project)) == []
