"""The vendored front-end libraries are whole, licensed and those of package.json."""

import json
from pathlib import Path

import pytest

from adit.stack.statics import LIBRARIES, Library

ROOT = Path(__file__).resolve().parents[4]
VENDOR = ROOT / "adit" / "core" / "static" / "vendor"


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.package)
def test_each_library_is_there_with_its_licence(library: Library):
    folder = VENDOR / library.folder
    assert all((folder / name).stat().st_size > 0 for name in library.files.values())
    assert "permi" in (folder / "LICENSE").read_text().lower()


def test_nothing_else_is_vendored():
    assert {path.name for path in VENDOR.iterdir()} == {library.folder for library in LIBRARIES}


def test_package_json_pins_exactly_these():
    dependencies = json.loads((ROOT / "package.json").read_text())["dependencies"]
    assert set(dependencies) == {library.package for library in LIBRARIES}
    assert all(version[0].isdigit() for version in dependencies.values())


def test_no_file_refers_to_a_missing_one():
    for file in (*VENDOR.rglob("*.js"), *VENDOR.rglob("*.css")):
        text = file.read_text()
        assert "sourceMappingURL" not in text
        assert ".woff?" not in text
