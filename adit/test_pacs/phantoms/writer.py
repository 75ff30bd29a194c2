"""Make the example instances one by one, or write all of them into a folder."""

from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from .catalogue import PATIENTS
from .documents import add_letter, add_report
from .headers import header
from .images import add_image
from .plans import Patient, Series, Study

IMPLEMENTATION_CLASS_UID = UID("1.2.826.0.1.3680043.10.511.1")

PYDICOM_SAMPLES = (
    "CT_small.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPGExtended.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_rle_2frame.dcm",
    "liver_1frame.dcm",
    "reportsi.dcm",
    "rtdose.dcm",
    "rtplan.dcm",
    "waveform_ecg.dcm",
    "image_dfl.dcm",
    "examples_palette.dcm",
    "examples_ybr_color.dcm",
    "examples_overlay.dcm",
    "examples_jpeg2k.dcm",
)
"""Files that come with pydicom and are whole, valid SOP instances of their own."""


def example_instances(scale: float = 1.0, *, samples: bool = True) -> Iterator[Dataset]:
    """Generate the example studies: the same instances, byte for byte, on every call.

    Args:
        scale: Factor on the edge lengths of the pictures; small values are quick and take little
            space. The number of instances is the same for every scale.
        samples: Whether pydicom's own sample files follow at the end.
    """
    for patient in PATIENTS:
        for study in patient.studies:
            yield from study_instances(patient, study, scale)
    if samples:
        for name in PYDICOM_SAMPLES:
            path = get_testdata_file(name, download=False)
            assert isinstance(path, str), f"pydicom has no sample file {name}"
            yield dcmread(path)


def study_instances(patient: Patient, study: Study, scale: float = 1.0) -> Iterator[Dataset]:
    """Generate the instances of one example study."""
    for number, series in enumerate(study.series, start=1):
        for instance in range(1, series.instances + 1):
            yield _instance(patient, study, series, number, instance, scale)


def write_example_studies(folder: Path, scale: float = 1.0, *, samples: bool = True) -> list[Path]:
    """Write the example studies as Part 10 files (PS3.10 7) and return their paths.

    The folders carry study and series UIDs, as an archive would lay them out, and no names.
    """
    paths: list[Path] = []
    for ds in example_instances(scale, samples=samples):
        path = folder / ds.StudyInstanceUID / ds.SeriesInstanceUID / f"{ds.SOPInstanceUID}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _instance(
    patient: Patient, study: Study, series: Series, number: int, instance: int, scale: float
) -> Dataset:
    ds = header(patient, study, series, number, instance)
    if series.subject == "report":
        add_report(ds)
    elif series.subject == "letter":
        add_letter(ds)
    else:
        if study.body_part:
            ds.BodyPartExamined = study.body_part
        add_image(ds, series, instance, scale)
    ds.file_meta = _file_meta(ds, series)
    if series.syntax.is_compressed:
        _compress(ds, series)
    return ds


def _file_meta(ds: Dataset, series: Series) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = series.syntax
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = "ADIT_PHANTOM"
    return meta


def _compress(ds: Dataset, series: Series) -> None:
    plugin = "pydicom" if series.syntax == RLELossless else "pylibjpeg"
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.compress(series.syntax, encoding_plugin=plugin, generate_instance_uid=False)
