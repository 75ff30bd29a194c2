"""De-identification against dicognito: read, anonymise, write, on one core and the same files.

Both read objects from memory and write to memory. ADIT applies the profile `Standard research`
(Basic Profile with options) with the leak gate on; dicognito does what it does by default.

    uv run python benchmarks/deidentification.py [--quick]
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pydicom  # noqa: E402
from dicognito.anonymizer import Anonymizer  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.uid import generate_uid  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from adit.core.deid import Assignment, Pseudonymizer, standard_research_profile  # noqa: E402

FILES = {"ct": "CT_small.dcm", "mr": "MR_small.dcm", "us": "examples_ybr_color.dcm"}
TARGET = 4.0


def series_of(name: str, count: int) -> list[bytes]:
    """Files of one series: the same object with other instance UIDs and numbers."""
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    dataset = pydicom.dcmread(path)
    files = []
    for number in range(count):
        uid = generate_uid(entropy_srcs=[name, str(number)])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber = number
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        files.append(buffer.getvalue())
    return files


def run_dicognito(files: list[bytes]) -> None:
    """The whole series with one anonymizer."""
    anonymizer = Anonymizer(seed="benchmark")
    for data in files:
        dataset = pydicom.dcmread(io.BytesIO(data))
        anonymizer.anonymize(dataset)
        dataset.save_as(io.BytesIO(), enforce_file_format=True)


def run_adit(files: list[bytes], transfer_syntax_uid: str, start: int) -> None:
    """The whole series with one pseudonymizer."""
    profile = standard_research_profile(b"a secret of the benchmark")
    pseudonymizer = Pseudonymizer(profile, Assignment(pseudonym="SUBJECT-1"))
    for data in files:
        source = io.BytesIO(data)
        source.seek(start)
        pseudonymizer.process(source, io.BytesIO(), transfer_syntax_uid)


def rate(run: Callable[[], None], count: int, repetitions: int) -> float:
    """Objects per second of processor time, the best of some repetitions."""
    best = float("inf")
    for _ in range(repetitions):
        begin = time.process_time()
        run()
        best = min(best, time.process_time() - begin)
    return count / best


def main() -> int:
    """Prints the table and the line for machines; non-zero if a target is missed."""
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer objects")
    count = 50 if parser.parse_args().quick else 400
    table = Table("series", "dicognito /s", "ADIT /s", "ratio", title="De-identification")
    ratios = {}
    for key, name in FILES.items():
        files = series_of(name, count)
        meta = pydicom.dcmread(io.BytesIO(files[0])).file_meta
        start = 144 + meta.FileMetaInformationGroupLength
        syntax = str(meta.TransferSyntaxUID)
        theirs = rate(lambda files=files: run_dicognito(files), count, 3)
        ours = rate(lambda f=files, s=syntax, at=start: run_adit(f, s, at), count, 3)
        ratios[key] = round(ours / theirs, 2)
        table.add_row(name, f"{theirs:.0f}", f"{ours:.0f}", f"{ratios[key]:.1f}")
    Console().print(table)
    passed = all(ratio >= TARGET for ratio in ratios.values())
    targets = dict.fromkeys(ratios, TARGET)
    summary = {"benchmark": "deidentification", "ratios": ratios, "targets": targets}
    print(json.dumps({**summary, "passed": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
