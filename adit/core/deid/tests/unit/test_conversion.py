"""dcm2niix reads de-identified series as it reads the originals: same geometry, same voxels."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import nibabel
import numpy as np
import pytest

from adit.core.deid import Assignment, Option, standard_research_profile
from adit.core.deid.tests.objects import SECRET, decode, part10, phantoms, process, profile

PROFILES = {
    "standard": tuple(standard_research_profile(SECRET).options),
    "with safe private": (
        *standard_research_profile(SECRET).options,
        Option.RETAIN_SAFE_PRIVATE,
    ),
}


def converted(folder: Path) -> dict[tuple, list[tuple[np.ndarray, np.ndarray]]]:
    """Affine and voxels of the volumes that dcm2niix makes of a folder, by shape."""
    beside = Path(sys.executable).with_name("dcm2niix")
    program = str(beside) if beside.exists() else shutil.which("dcm2niix")
    assert program, "dcm2niix is missing: uv sync installs it"
    out = folder / "out"
    out.mkdir()
    subprocess.run(
        [program, "-f", "%s", "-o", str(out), str(folder)], capture_output=True, check=False
    )
    found = defaultdict(list)
    for path in sorted(out.glob("*.nii")):
        image = nibabel.Nifti1Image.from_filename(path)
        found[image.shape].append((image.affine, np.asanyarray(image.dataobj)))
    return found


@pytest.mark.parametrize("kind", PROFILES)
def test_series_have_the_same_geometry_and_voxels(kind: str, tmp_path: Path):
    by_series = defaultdict(list)
    for data, syntax in phantoms(per_series=12):
        header = decode(data, syntax)
        if header.Modality in ("CT", "MR"):
            by_series[str(header.SeriesInstanceUID)].append((data, syntax))
    compared = 0
    for number, objects in enumerate(list(by_series.values())[:6]):
        folders = [tmp_path / f"{number}-{when}" for when in ("before", "after")]
        for folder in folders:
            folder.mkdir()
        for index, (data, syntax) in enumerate(objects):
            after, result = process(
                data,
                syntax,
                under=profile(*PROFILES[kind]),
                assignment=Assignment(pseudonym="S1"),
            )
            _, same = process(data, syntax, under=profile(Option.RETAIN_UIDS))
            (folders[0] / f"{index}.dcm").write_bytes(part10(data, syntax, same))
            (folders[1] / f"{index}.dcm").write_bytes(part10(after, syntax, result))
        before, after_all = (converted(folder) for folder in folders)
        assert before.keys() == after_all.keys()
        for shape, volumes in before.items():
            assert len(volumes) == len(after_all[shape])
            for (affine, voxels), (affine_after, voxels_after) in zip(
                volumes, after_all[shape], strict=True
            ):
                assert np.allclose(affine, affine_after)
                assert np.array_equal(voxels, voxels_after)
                compared += 1

    assert compared >= 4
