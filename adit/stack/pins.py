"""Exact versions of all packages, without lock files that carry download addresses.

`[tool.uv] constraint-dependencies` in pyproject.toml pins each package that any supported Python
version needs, so that two installs on two days are equal; `requirements.txt` adds the hashes for
images.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_PYPROJECT = "pyproject.toml"
_REQUIREMENTS = "requirements.txt"
_PLAIN = ("--no-emit-project", "--no-annotate", "--no-header", "--quiet")
_ADDRESS = re.compile(r"https?://")


class PinsError(Exception):
    """The packages cannot be resolved, or something differs from the pins."""


def write_pins(root: Path, *, upgrade: bool) -> int:
    """Resolve all packages and write the pins; return how many packages are pinned.

    Args:
        upgrade: take the newest versions that pyproject.toml admits instead of the pinned ones.

    Raises:
        PinsError: the packages cannot be resolved; nothing is changed then.
    """
    with tempfile.TemporaryDirectory(prefix="adit-pins-") as name:
        work = _copy_project(root, Path(name))
        if upgrade:
            _write_list(work, "constraint-dependencies", [])
            _write_list(work, "build-constraint-dependencies", [])
        _write_list(work, "build-constraint-dependencies", _resolve_build(work))
        pins = _resolve(work)
        _write_list(work, "constraint-dependencies", pins)
        requirements = _resolve_with_hashes(work)
        shutil.copy(work / _PYPROJECT, root)
    (root / _REQUIREMENTS).write_text(requirements)
    return len(pins)


def check_pins(root: Path) -> None:
    """Prove that a resolution from nothing gives the pins, and that the installed packages are
    the pinned ones.

    Raises:
        PinsError: something differs; the message says what.
    """
    pinned = _uv_table(root).get("constraint-dependencies", [])
    with tempfile.TemporaryDirectory(prefix="adit-pins-") as name:
        work = _copy_project(root, Path(name))
        differences = _differences("resolved", _resolve(work), pinned)
        needed = _without_hashes(_resolve_with_hashes(work))
    recorded = _without_hashes((root / _REQUIREMENTS).read_text())
    differences += _differences(f"in {_REQUIREMENTS}", recorded, needed)
    differences += _installed_differences(pinned)
    if differences:
        raise PinsError("Run `uv run cli lock`:\n" + "\n".join(differences))


def _copy_project(root: Path, work: Path) -> Path:
    for name in (_PYPROJECT, "README.md"):
        shutil.copy(root / name, work)
    return work


def _resolve(work: Path) -> list[str]:
    """A line `name==version ; marker` for each package of any group and Python version."""
    text = _uv(work, "export", "--all-groups", "--no-hashes", *_PLAIN)
    return _lines(text)


def _resolve_build(work: Path) -> list[str]:
    """The same for what builds the project itself."""
    table = tomllib.loads((work / _PYPROJECT).read_text())
    requires = "\n".join(table["build-system"]["requires"])
    pinned = work / "build-constraints.txt"
    pinned.write_text("\n".join(_uv_table(work).get("build-constraint-dependencies", [])))
    options = ("--universal", "--no-annotate", "--no-header", "--quiet")
    options += ("--constraints", str(pinned), "--python-version", "3.11")
    return _lines(_uv(work, "pip", "compile", "-", *options, text=requires))


def _resolve_with_hashes(work: Path) -> str:
    return _uv(work, "export", "--no-dev", *_PLAIN)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith(("#", "-"))]


def _without_hashes(text: str) -> list[str]:
    """The packages alone: an index may add files, and so hashes, to a version at any time."""
    lines = (line.rstrip(" \\") for line in text.splitlines())
    return [line for line in lines if not line.lstrip().startswith("--hash=")]


def _uv(folder: Path, *arguments: str, text: str = "") -> str:
    uv = shutil.which("uv")
    if uv is None:
        raise PinsError("uv is needed: pip install uv")
    result = subprocess.run(
        [uv, *arguments], cwd=folder, input=text, capture_output=True, text=True
    )
    if result.returncode:
        raise PinsError(result.stderr.strip())
    if _ADDRESS.search(result.stdout):
        raise PinsError("The resolution carries addresses; they must not be committed.")
    return result.stdout


def _uv_table(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / _PYPROJECT).read_text()).get("tool", {}).get("uv", {})


def _write_list(folder: Path, key: str, values: list[str]) -> None:
    file = folder / _PYPROJECT
    file.write_text(replace_list(file.read_text(), key, values))


def replace_list(text: str, key: str, values: list[str]) -> str:
    """Replace or add a list in `[tool.uv]`, leaving the rest of pyproject.toml as it is."""
    block = f"{key} = [\n" + "".join(f"  {json.dumps(value)},\n" for value in values) + "]\n"
    pattern = re.compile(rf"^{key} = \[.*?^\]\n", re.MULTILINE | re.DOTALL)
    if pattern.search(text):
        return pattern.sub(lambda _: block, text)
    if "[tool.uv]\n" in text:
        return text.replace("[tool.uv]\n", f"[tool.uv]\n{block}")
    return f"{text.rstrip()}\n\n[tool.uv]\n{block}"


def _differences(what: str, actual: list[str], pinned: list[str]) -> list[str]:
    extra = [f"{what}, but not pinned: {line}" for line in sorted(set(actual) - set(pinned))]
    missing = [f"pinned, but not {what}: {line}" for line in sorted(set(pinned) - set(actual))]
    return extra + missing


def _installed_differences(pinned: list[str]) -> list[str]:
    """How the packages of the running environment differ from the pins."""
    listed = _uv(Path.cwd(), "pip", "list", "--format=json", "--python", sys.executable)
    installed = {canonicalize_name(item["name"]): item["version"] for item in json.loads(listed)}
    wanted = {}
    for line in pinned:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            wanted[canonicalize_name(requirement.name)] = str(requirement.specifier)
    return [
        f"installed {name}=={installed.get(name, 'none')}, pinned {specifier}"
        for name, specifier in wanted.items()
        if installed.get(name) != specifier.removeprefix("==")
    ]
