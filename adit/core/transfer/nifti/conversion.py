"""Runs dcm2niix on one series."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import dcm2niix

from adit.core.dicom import CancelToken, PermanentDicomError, TransientDicomError

# Every file that dcm2niix makes of a series begins with this.
STEM = "image"

# A conversion may take this long, and a second more for each megabyte.
_BASE_SECONDS = 120
_BYTES_PER_SECOND = 1_000_000

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class ExitCode:
    """What an exit code of dcm2niix means.

    Attributes:
        usable: whether all that was read is in the files that it made.
        transient: whether another attempt may help.
    """

    words: str
    usable: bool = False
    transient: bool = False


# As dcm2niix documents them.
EXIT_CODES = {
    0: ExitCode("converted", usable=True),
    1: ExitCode("dcm2niix failed without a reason"),
    2: ExitCode("dcm2niix found no image that it can convert"),
    4: ExitCode("dcm2niix found a damaged DICOM file"),
    5: ExitCode("dcm2niix could not read its input", transient=True),
    6: ExitCode("dcm2niix could not use its output folder", transient=True),
    7: ExitCode(
        "dcm2niix could not write its output; the worker's disk may be full", transient=True
    ),
    8: ExitCode("dcm2niix converted some of the images, but not all"),
    9: ExitCode("dcm2niix could not name its output", transient=True),
    10: ExitCode("dcm2niix found incomplete volumes", usable=True),
}


@dataclass(frozen=True)
class Conversion:
    """What became of a series.

    Attributes:
        files: NIfTI images, sidecars and tables, in the order of their names.
        warning: what to tell the user, or "".
    """

    files: list[Path]
    warning: str

    @property
    def images(self) -> int:
        return sum(path.name.endswith(".nii.gz") for path in self.files)


def convert(source: Path, target: Path, size: int, cancel: CancelToken) -> Conversion:
    """Convert the DICOM files below `source`, `size` bytes in all, to gzipped NIfTI in `target`.

    The sidecars (BIDS) are written without dates and identifying fields (`-ba y`). What dcm2niix
    prints is thrown away: it repeats the header.

    Raises:
        PermanentDicomError: the series cannot be converted.
        TransientDicomError: the conversion took too long or could not write.
        Canceled: the run was told to stop.
    """
    target.mkdir()
    options = ["-g", "i", "-b", "y", "-ba", "y", "-z", "i", "-w", "2", "-f", STEM]
    process = subprocess.Popen(
        [str(dcm2niix.bin), *options, "-o", str(target), str(source)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(target.parent)},
        preexec_fn=_die_with_parent,
    )
    limit = _BASE_SECONDS + size // _BYTES_PER_SECOND
    try:
        with cancel.on_cancel(process.kill):
            code = process.wait(limit)
    except subprocess.TimeoutExpired as err:
        raise TransientDicomError(
            f"dcm2niix took more than {limit} seconds.", code="nifti-timeout"
        ) from err
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    cancel.check()
    return _judge(code, sorted(target.iterdir()))


def _die_with_parent() -> None:
    """A worker that is killed leaves no dcm2niix behind."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _judge(code: int, files: list[Path]) -> Conversion:
    meaning = EXIT_CODES.get(code, ExitCode(f"dcm2niix ended with code {code}"))
    kind = TransientDicomError if meaning.transient else PermanentDicomError
    if not meaning.usable:
        raise kind(f"{meaning.words}.", code=f"dcm2niix {code}")
    conversion = Conversion(files, meaning.words if code else "")
    if not conversion.images:
        raise kind(f"{EXIT_CODES[2].words}.", code=f"dcm2niix {code}")
    return conversion
