"""De-identification against dicognito and dicom-anonymizer: read, change, write, on one core.

All three read the same files from memory and write to memory, in one run. ADIT applies the full
Basic Profile with the leak gate on; the others do what they do by default. dicognito changes
names, ids, dates and UIDs only; dicom-anonymizer obeys the same table of PS3.15.

    uv run python benchmarks/deid.py [--quick]
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pydicom  # noqa: E402
from dicognito.anonymizer import Anonymizer  # noqa: E402
from dicomanonymizer import anonymize_dataset  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.uid import generate_uid  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from adit.core.deid import Assignment, BurnedInPolicy, Profile, Pseudonymizer  # noqa: E402
from adit.core.dicom.file_meta import encode_head  # noqa: E402

MIXES = {
    "ct": ("CT_small.dcm",),
    "mr": ("MR_small.dcm", "emri_small.dcm", "emri_small_RLE.dcm"),
    "small": (
        "test-SR.dcm",
        "reportsi.dcm",
        "rtplan.dcm",
        "rtdose.dcm",
        "image_dfl.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "examples_ybr_color.dcm",
        "US1_J2KR.dcm",
        "waveform_ecg.dcm",
    ),
}
TARGET = 4.0
_REPETITIONS = 3


def objects_of(names: Sequence[str], count: int) -> list[bytes]:
    """Files with UIDs and numbers of their own, made from samples in turn."""
    datasets = [pydicom.dcmread(str(get_testdata_file(name, download=False))) for name in names]
    files = []
    for number in range(count):
        dataset = datasets[number % len(datasets)]
        uid = generate_uid(entropy_srcs=[names[0], str(number)])
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber = number
        buffer = io.BytesIO()
        dataset.save_as(buffer, enforce_file_format=True)
        files.append(buffer.getvalue())
    return files


def run_dicognito(files: list[bytes]) -> None:
    """All objects with one anonymizer."""
    anonymizer = Anonymizer(seed="benchmark")
    for data in files:
        dataset = pydicom.dcmread(io.BytesIO(data))
        anonymizer.anonymize(dataset)
        dataset.save_as(io.BytesIO(), enforce_file_format=True)


def run_dicom_anonymizer(files: list[bytes]) -> None:
    """All objects, private elements removed."""
    for data in files:
        dataset = pydicom.dcmread(io.BytesIO(data))
        anonymize_dataset(dataset)
        dataset.save_as(io.BytesIO(), enforce_file_format=True)


def run_adit(files: list[bytes]) -> None:
    """All objects with one pseudonymizer, from DICOM file to DICOM file."""
    profile = Profile(
        name="Benchmark",
        secret=b"a secret of the benchmark",
        excluded_modalities=frozenset(),
        burned_in=BurnedInPolicy.ALLOW,
    )
    pseudonymizer = Pseudonymizer(profile, Assignment(pseudonym="SUBJECT-1"))
    for data in files:
        end = 144 + int.from_bytes(data[140:144], "little")
        place = data.index(b"\x02\x00\x10\x00UI", 132, end)
        length = int.from_bytes(data[place + 6 : place + 8], "little")
        syntax = data[place + 8 : place + 8 + length].decode("ascii").strip(" \0")
        source = io.BytesIO(data)
        source.seek(end)
        changed = io.BytesIO()
        result = pseudonymizer.process(source, changed, syntax)
        target = io.BytesIO()
        target.write(
            encode_head(result.sop_class_uid, result.sop_instance_uid, result.transfer_syntax_uid)
        )
        target.write(changed.getvalue())


def rate(run: Callable[[], None], count: int) -> float:
    """Objects per second of processor time, the best of some repetitions."""
    best = float("inf")
    for _ in range(_REPETITIONS):
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
    table = Table(title="De-identification, objects per second of one core")
    for column in ("mix", "dicognito", "dicom-anonymizer", "ADIT", "ratios"):
        table.add_column(column)
    ratios: dict[str, float] = {}
    for mix, names in MIXES.items():
        files = objects_of(names, count)
        ours = rate(partial(run_adit, files), count)
        rates = {
            "dicognito": rate(partial(run_dicognito, files), count),
            "dicom_anonymizer": rate(partial(run_dicom_anonymizer, files), count),
        }
        for peer, theirs in rates.items():
            ratios[f"{mix}_against_{peer}"] = round(ours / theirs, 2)
        both = ", ".join(f"{ours / theirs:.1f}" for theirs in rates.values())
        table.add_row(mix, *(f"{theirs:.0f}" for theirs in rates.values()), f"{ours:.0f}", both)
    Console().print(table)
    passed = all(ratio >= TARGET for ratio in ratios.values())
    targets = dict.fromkeys(ratios, TARGET)
    print(json.dumps({"benchmark": "deid", "ratios": ratios, "targets": targets, "passed": passed}))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
