"""Synthetic studies with noise for pixels, as scanners give them: they do not compress away."""

from __future__ import annotations

import io
import math

import numpy as np
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from adit.stack.orthanc import OrthancServer
from adit.test_pacs.phantoms import PATIENTS, study_instances

CT, MR = ("CT", 512), ("MR", 256)


def template(modality: str) -> Dataset:
    """An instance with the header of an example study of that modality."""
    for patient in PATIENTS:
        for study in patient.studies:
            ds = next(iter(study_instances(patient, study)))
            syntax = ds.file_meta.TransferSyntaxUID
            if ds.Modality == modality and syntax == ExplicitVRLittleEndian:
                return ds
    raise LookupError(modality)


def fill(orthanc: OrthancServer, kind: tuple[str, int], count: int) -> tuple[str, str]:
    """Put a study of one series at `orthanc`; returns patient ID and Study Instance UID."""
    modality, size = kind
    ds = template(modality)
    ds.PatientID, ds.PatientName = "4711", "Langmann^Quirin"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Rows = ds.Columns = size
    noise = np.random.default_rng(1)
    for number in range(count):
        pixels = noise.normal(1000, 200, (size, size)).clip(0, 4095).astype("<u2")
        ds.PixelData = pixels.tobytes()
        ds.InstanceNumber = number + 1
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        orthanc.request("POST", "/instances", encoded(ds))
    return ds.PatientID, str(ds.StudyInstanceUID)


def encoded(ds: Dataset) -> bytes:
    """The data set as a Part 10 file."""
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def fill_large(orthanc: OrthancServer, megabytes: list[int]) -> tuple[str, str]:
    """Put a series of objects of these sizes at `orthanc`."""
    ds = template("MR")
    ds.PatientID, ds.PatientName = "4712", "Langmann^Quirin"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    for number, size in enumerate(megabytes, 1):
        ds.InstanceNumber = number
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        # An even number of pixels of two bytes a row, as many rows as fit.
        side = ds.Rows = ds.Columns = 2 * (math.isqrt(size * 500_000) // 2)
        row = np.random.default_rng(1).integers(0, 4096, side, dtype="<u2").tobytes()
        ds.PixelData = b""
        head = encoded(ds)[:-12]
        # Explicit little endian: tag, OW, two bytes reserved, length (PS3.5 7.1.2).
        length = (side * len(row)).to_bytes(4, "little")
        body = head + b"\xe0\x7f\x10\x00OW\x00\x00" + length + row * side
        orthanc.request("POST", "/instances", body, timeout=600)
    return ds.PatientID, str(ds.StudyInstanceUID)
