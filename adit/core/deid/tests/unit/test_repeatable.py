"""Same input, same bytes: in the next call, the next process, and with another hash seed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import adit
from adit.core.deid import Assignment, Pseudonymizer, standard_research_profile
from adit.core.deid.tests.objects import SECRET, process, profile, sample, sample_files

_SCRIPT = """
from adit.core.deid.tests.unit.test_repeatable import digest_of_samples
print(digest_of_samples())
"""


def digest_of_samples() -> str:
    digest = hashlib.sha256()
    under = profile(*standard_research_profile(SECRET).options)
    for path in sample_files()[::6]:
        data, syntax = sample(path)
        if syntax and "trunc" not in path.name and "short" not in path.name:
            digest.update(process(data, syntax, under=under)[0])
    return digest.hexdigest()


def run(seed: str) -> str:
    root = Path(adit.__file__).parents[1]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SCRIPT],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_two_processes_give_the_same_bytes():
    assert run("1") == run("4711") == digest_of_samples()


def test_another_secret_gives_other_uids_and_offsets():
    one = Pseudonymizer(standard_research_profile(SECRET), Assignment(pseudonym="S"))
    other = Pseudonymizer(standard_research_profile(SECRET[::-1]), Assignment(pseudonym="S"))

    assert one.map_uid("1.2.3") != other.map_uid("1.2.3")
    assert one.date_offset("PID") != other.date_offset("PID")


def test_the_public_mappings_are_those_of_the_objects():
    pseudonymizer = Pseudonymizer(profile(), Assignment(pseudonym="S"))
    _, result = process(sample(sample_files()[0])[0], sample(sample_files()[0])[1])

    assert result.sop_instance_uid == pseudonymizer.map_uid(result.source_sop_instance_uid)
