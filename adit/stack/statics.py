"""The front-end libraries that the pages use, copied from npm packages into the static folder.

`package.json` names the packages with exact versions; the copies are committed, so neither Node
nor a network is needed to run or to build ADIT. Source maps stay behind, and with them the
comments that point to them: a manifest storage refuses a file that refers to a missing one.
"""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SOURCE_MAP_COMMENT = re.compile(r"\s*(//|/\*)# sourceMappingURL=\S+?(\s*\*/)?\s*$")
# Every browser that knows CSS variables reads woff2.
_WOFF_FALLBACK = re.compile(r',\s*url\("[^"]*\.woff(\?[^"]*)?"\)\s*format\("woff"\)')
_TEXT_SUFFIXES = {".css", ".js"}
_LICENSES = Path(__file__).with_name("licenses")


class StaticsError(Exception):
    """The front-end libraries could not be fetched or copied."""


@dataclass(frozen=True)
class Library:
    """One npm package: `files` maps a path inside of it to a path in its vendor folder, and
    `bundled` names packages that its build contains and whose licences therefore go along."""

    package: str
    folder: str
    files: dict[str, str]
    bundled: tuple[str, ...] = ()


LIBRARIES = (
    Library(
        "bootstrap",
        "bootstrap",
        {
            "dist/css/bootstrap.min.css": "bootstrap.min.css",
            "dist/js/bootstrap.bundle.min.js": "bootstrap.bundle.min.js",
        },
        bundled=("@popperjs/core",),
    ),
    Library(
        "bootstrap-icons",
        "bootstrap-icons",
        {
            "font/bootstrap-icons.min.css": "bootstrap-icons.min.css",
            "font/fonts/bootstrap-icons.woff2": "fonts/bootstrap-icons.woff2",
        },
    ),
    Library("htmx.org", "htmx", {"dist/htmx.min.js": "htmx.min.js"}),
    Library("htmx-ext-ws", "htmx-ext-ws", {"dist/ws.min.js": "ws.min.js"}),
    Library(
        "@alpinejs/csp",
        "alpinejs-csp",
        {"dist/cdn.min.js": "alpine.min.js"},
        bundled=("@vue/reactivity", "@vue/shared"),
    ),
    Library(
        "dcmjs",
        "dcmjs",
        {"build/dcmjs.min.js": "dcmjs.min.js"},
        bundled=(
            "@babel/runtime-corejs3",
            "adm-zip",
            "core-js-pure",
            "gl-matrix",
            "iota-array",
            "is-buffer",
            "lodash.clonedeep",
            "loglevel",
            "ndarray",
            "pako",
        ),
    ),
)


def copy_statics(root: Path) -> list[str]:
    """Install the packages of `root`/package.json aside and copy what the pages need.

    Returns:
        A line for each library: its name, its version and the bytes copied.

    Raises:
        StaticsError: npm is missing or failed, or a package lacks a file.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise StaticsError("npm is needed to fetch the front-end libraries; install Node.js.")
    vendor = root / "adit" / "core" / "static" / "vendor"
    with tempfile.TemporaryDirectory(prefix="adit-statics-") as name:
        work = Path(name)
        shutil.copy(root / "package.json", work)
        command = [npm, "install", "--ignore-scripts", "--no-package-lock", "--no-audit"]
        result = subprocess.run(command, cwd=work, capture_output=True, text=True)
        if result.returncode:
            raise StaticsError(f"npm install failed:\n{result.stderr.strip()}")
        return [_copy_library(library, work / "node_modules", vendor) for library in LIBRARIES]


def _copy_library(library: Library, modules: Path, vendor: Path) -> str:
    source = modules / library.package
    target = vendor / library.folder
    shutil.rmtree(target, ignore_errors=True)
    size = 0
    for origin, name in library.files.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            data = (source / origin).read_bytes()
        except FileNotFoundError as err:
            raise StaticsError(f"{library.package} has no file {origin}.") from err
        file.write_bytes(_without_missing_references(data) if _is_text(file) else data)
        size += file.stat().st_size
    licenses = [_license_of(source)]
    for package in library.bundled:
        if (modules / package).is_dir():
            licenses.append(f"Contains {package}:\n\n{_license_of(modules / package)}")
    (target / "LICENSE").write_text("\n----\n\n".join(licenses))
    version = json.loads((source / "package.json").read_text())["version"]
    return f"{library.package} {version}: {size} bytes"


def _is_text(file: Path) -> bool:
    return file.suffix in _TEXT_SUFFIXES


def _without_missing_references(data: bytes) -> bytes:
    text = _SOURCE_MAP_COMMENT.sub("\n", data.decode())
    return _WOFF_FALLBACK.sub("", text).encode()


def _license_of(package: Path) -> str:
    """The licence text in the package, or the one kept here for packages that ship none."""
    for file in sorted(package.iterdir()):
        if file.name.lower().startswith("licen"):
            return file.read_text()
    kept = _LICENSES / f"{package.parent.name.strip('@')}-{package.name}.txt"
    if not kept.is_file():
        raise StaticsError(f"{package.name} carries no licence text; add {kept.name}.")
    return kept.read_text()
