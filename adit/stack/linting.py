"""The checks of `cli lint`: one line for each, and what a failing one said."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

MAX_LINES = 400
_MEASURED = (".py", ".html", ".js", ".css", ".sh")
_EXEMPT = re.compile(r"(^|/)(migrations|vendor)/")
# Where packages come from is the business of the machine that installs them.
_INDEX_ADDRESS = re.compile(
    r"""https?://[^\s"'<>]*/simple\b|https?://[^\s"'<>]+\.(whl|tgz)\b"""
    r"""|"resolved"\s*:\s*"http|\bregistry\s*=\s*["']?http|index-url[\s=]+["']?http"""
)


@dataclass(frozen=True)
class Outcome:
    """What one check found."""

    name: str
    passed: bool
    output: str
    seconds: float


def run_checks(root: Path) -> Iterator[Outcome]:
    """Run all checks, two at a time; yield their outcomes in a fixed order."""
    checks: dict[str, Callable[[], tuple[bool, str]]] = {
        "ruff check": _tool(root, "ruff", "check", "--quiet", "."),
        "ruff format": _tool(root, "ruff", "format", "--check", "--quiet", "."),
        "pyright": _tool(root, "pyright"),
        "djlint lint": _tool(root, "djlint", "adit", "--lint"),
        "djlint format": _tool(root, "djlint", "adit", "--check"),
        "import-linter": _tool(root, "lint-imports", "--no-cache"),
        "file lengths": lambda: _findings(find_long_files(root)),
        "index addresses": lambda: _findings(find_index_addresses(root)),
    }
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from pool.map(lambda item: _run(*item), checks.items())


def format_code(root: Path) -> bool:
    """Format Python and templates; return whether all tools worked."""
    commands = (("ruff", "check", "--fix", "."), ("ruff", "format", "."))
    passed = [_tool(root, *command)()[0] for command in commands]
    # djlint reports a change by its exit code.
    _tool(root, "djlint", "adit", "--reformat", "--quiet")()
    return all(passed)


def _run(name: str, check: Callable[[], tuple[bool, str]]) -> Outcome:
    start = time.monotonic()
    passed, output = check()
    return Outcome(name, passed, output, time.monotonic() - start)


def _tool(root: Path, *command: str) -> Callable[[], tuple[bool, str]]:
    program = Path(sys.executable).with_name(command[0])
    environment = {
        **os.environ,
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
        # With the 16 MB that Node.js gives to young objects pyright collects garbage half the time.
        "NODE_OPTIONS": f"{os.environ.get('NODE_OPTIONS', '')} --max-semi-space-size=64".strip(),
    }

    def run() -> tuple[bool, str]:
        result = subprocess.run(
            [str(program), *command[1:]],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return result.returncode == 0, result.stdout.strip()

    return run


def _findings(lines: Iterator[str]) -> tuple[bool, str]:
    found = list(lines)
    return not found, "\n".join(found)


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """Path and text of each file that is committed or could be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in sorted(set(filter(None, listed.stdout.split("\0")))):
        file = root / name
        if not file.is_file() or _EXEMPT.search(name):
            continue
        try:
            yield name, file.read_text()
        except UnicodeDecodeError:
            continue


def find_long_files(root: Path) -> Iterator[str]:
    for name, text in _files(root):
        lines = text.count("\n")
        if name.endswith(_MEASURED) and lines > MAX_LINES:
            yield f"{name}: {lines} lines, {MAX_LINES} at most"


def find_index_addresses(root: Path) -> Iterator[str]:
    for name, text in _files(root):
        for number, line in enumerate(text.splitlines(), 1):
            if _INDEX_ADDRESS.search(line):
                yield f"{name}:{number}: address of a package index"
