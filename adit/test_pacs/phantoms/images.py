"""The image objects: CT, MR, CR, US and US multi-frame, with pixels from `anatomy`."""

import numpy as np
from pydicom import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    MRImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from . import anatomy
from .headers import phantom_seed, phantom_uid
from .plans import Series
from .shapes import Picture

FRAMES = 20
SIEMENS_MR = "SIEMENS MR HEADER"


def add_image(ds: Dataset, series: Series, instance: int, scale: float) -> None:
    """Complete a header to an image object, still uncompressed.

    Args:
        instance: The number of the instance in its series, from 1.
        scale: Factor on the edge lengths of the picture.
    """
    edge = max(32, round(series.edge * scale / 2) * 2)
    seed = phantom_seed(ds.SOPInstanceUID)
    z = 2 * (instance - 0.5) / series.instances - 1
    match series.subject:
        case "head":
            picture = anatomy.head(edge, edge, z, anatomy.CT_HEAD, seed)
            _add_ct(ds, series, picture, instance, (80, 40))
        case "chest":
            picture = anatomy.chest(edge, edge, z, seed)
            _add_ct(ds, series, picture, instance, (1500, -500))
        case "abdomen":
            picture = anatomy.abdomen(edge, edge, z, seed)
            _add_ct(ds, series, picture, instance, (400, 40))
        case "t1" | "t2":
            tissue = anatomy.MR_T1 if series.subject == "t1" else anatomy.MR_T2
            picture = anatomy.head(edge, edge, z, tissue, seed)
            _add_mr(ds, series, picture, instance)
        case "spine":
            _add_mr(ds, series, anatomy.spine(edge, edge, z, seed), instance)
        case "radiograph":
            _add_cr(ds, series, anatomy.radiograph(edge, edge * 7 // 8, seed))
        case "sonogram":
            _add_us(ds, [anatomy.sonogram(edge, edge * 4 // 3, instance / 6, seed)])
        case "cine":
            pictures = [
                anatomy.sonogram(edge // 2, edge * 2 // 3, frame / FRAMES, seed + frame)
                for frame in range(FRAMES)
            ]
            _add_us(ds, pictures)
        case _:
            raise ValueError(f"{series.subject} is no image")


def _add_pixels(ds: Dataset, pixels: np.ndarray, bits: int, signed: bool) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    if pixels.ndim == 3:
        ds.NumberOfFrames = pixels.shape[0]
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.BitsAllocated = 8 if bits == 8 else 16
    ds.BitsStored = bits
    ds.HighBit = bits - 1
    ds.PixelRepresentation = int(signed)
    kind = np.uint8 if bits == 8 else ("<i2" if signed else "<u2")
    ds.PixelData = np.ascontiguousarray(pixels.astype(kind)).tobytes()
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"


def _add_plane(ds: Dataset, series: Series, instance: int, position: float, step: float) -> None:
    spacing = round(230 / ds.Rows, 4)
    sagittal = series.subject == "spine"
    ds.FrameOfReferenceUID = phantom_uid(ds.StudyInstanceUID, "frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.PixelSpacing = [spacing, spacing]
    ds.SliceThickness = step
    ds.SliceLocation = position
    ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1] if sagittal else [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [position, -115, 115] if sagittal else [-115, -115, position]
    ds.PatientPosition = "HFS"
    ds.AcquisitionNumber = 1
    if "ContentDate" in ds:
        ds.AcquisitionDate, ds.AcquisitionTime = ds.ContentDate, ds.ContentTime


def _add_ct(
    ds: Dataset, series: Series, picture: Picture, instance: int, window: tuple[int, int]
) -> None:
    """CT Image (PS3.3 A.3): stored values are Hounsfield units plus 1024."""
    ds.SOPClassUID = CTImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    _add_pixels(ds, np.clip(picture + 1024, 0, 4095), 12, signed=False)
    step = 5.0 if series.instances < 100 else 1.0
    _add_plane(ds, series, instance, (instance - 1) * step - 100.0, step)
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
    ds.WindowWidth, ds.WindowCenter = window
    ds.KVP, ds.XRayTubeCurrent, ds.ExposureTime = 120, 210, 500
    ds.ConvolutionKernel = (series.description or "H31s").split()[-1]
    ds.ProtocolName = series.description or "Standard"
    if series.contrast:
        ds.ContrastBolusAgent = series.contrast


def _add_mr(ds: Dataset, series: Series, picture: Picture, instance: int) -> None:
    """MR Image (PS3.3 A.4)."""
    ds.SOPClassUID = MRImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    _add_pixels(ds, np.clip(picture, 0, 4095), 12, signed=False)
    _add_plane(ds, series, instance, (instance - 1) * 5.0 - 50.0, 5.0)
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "SE", "NONE", ""
    ds.MRAcquisitionType = "2D"
    ds.EchoTime, ds.RepetitionTime = (98, 4000) if series.subject != "t1" else (12, 550)
    ds.EchoTrainLength, ds.MagneticFieldStrength, ds.FlipAngle = 1, "1.5", 90
    ds.ProtocolName = series.description
    ds.WindowWidth, ds.WindowCenter = 1100, 500
    block = ds.private_block(0x0019, SIEMENS_MR, create=True)
    block.add_new(0x0C, "IS", "0")


def _add_cr(ds: Dataset, series: Series, picture: Picture) -> None:
    """Computed Radiography Image (PS3.3 A.2)."""
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    _add_pixels(ds, picture, 12, signed=False)
    ds.BodyPartExamined, ds.ViewPosition = "CHEST", series.description[:2]
    ds.PatientOrientation = ["L", "F"]
    ds.ImagerPixelSpacing = [0.35, 0.35]
    ds.KVP, ds.PlateID = 110, "P-77"
    ds.WindowWidth, ds.WindowCenter = 3600, 1900
    if series.syntax.is_compressed:
        ds.LossyImageCompression = "00"


def _add_us(ds: Dataset, pictures: list[Picture]) -> None:
    """Ultrasound Image and Ultrasound Multi-frame Image (PS3.3 A.6, A.7)."""
    cine = len(pictures) > 1
    ds.SOPClassUID = UltrasoundMultiFrameImageStorage if cine else UltrasoundImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"]
    ds.PatientOrientation = ""
    ds.LossyImageCompression = "00"
    ds.BurnedInAnnotation = "NO"
    _add_pixels(ds, np.stack(pictures) if cine else pictures[0], 8, signed=False)
    if cine:
        ds.FrameTime = "40"
        ds.FrameIncrementPointer = 0x00181063
        ds.RecommendedDisplayFrameRate = 25
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = ds.Columns - 1, ds.Rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = 0.05
    ds.SequenceOfUltrasoundRegions = [region]
