"""The pins are exact and complete."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from adit.stack.pins import replace_list

ROOT = Path(__file__).resolve().parents[4]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = [Requirement(line) for line in PROJECT["tool"]["uv"]["constraint-dependencies"]]


def _names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_each_pin_is_one_version():
    assert all([item.operator for item in pin.specifier] == ["=="] for pin in PINS)


def test_each_direct_dependency_is_pinned():
    direct = _names(PROJECT["project"]["dependencies"]) | _names(
        PROJECT["dependency-groups"]["dev"]
    )
    assert direct <= {canonicalize_name(pin.name) for pin in PINS}


def test_the_requirements_for_images_have_the_same_versions_with_hashes():
    text = (ROOT / "requirements.txt").read_text().replace("\\\n", " ")
    lines = [line.split("--hash")[0].strip() for line in text.splitlines()]
    assert {str(Requirement(line)) for line in lines} <= {str(pin) for pin in PINS}
    assert all("--hash=sha256:" in line for line in text.splitlines())
    assert "://" not in text


def test_a_list_is_replaced_and_the_rest_stays():
    text = '[tool.uv]\npins = [\n  "a==1",\n]\nother = ["x"]\n\n[tool.ruff]\nline-length = 100\n'
    replaced = replace_list(text, "pins", ["a==2 ; python_version < '3.12'", "b==1"])
    assert tomllib.loads(replaced)["tool"] == {
        "uv": {"pins": ["a==2 ; python_version < '3.12'", "b==1"], "other": ["x"]},
        "ruff": {"line-length": 100},
    }
    assert replaced.endswith('other = ["x"]\n\n[tool.ruff]\nline-length = 100\n')


def test_a_list_is_added_where_there_is_none():
    assert tomllib.loads(replace_list("[project]\n", "pins", ["a==1"]))["tool"]["uv"] == {
        "pins": ["a==1"]
    }
