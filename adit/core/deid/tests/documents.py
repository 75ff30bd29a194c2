"""Objects without pixels that refer to others, made with highdicom: what the samples lack."""

from __future__ import annotations

import io
import warnings

import numpy as np
from highdicom import UID
from highdicom import pr as presentation
from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr.coding import CodedConcept
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence


def _sample(name: str) -> FileDataset:
    return dcmread(str(get_testdata_file(name)))


def _request() -> Dataset:
    """An item of ReferencedRequestSequence (PS3.3 C.17.2)."""
    item = Dataset()
    item.StudyInstanceUID = "1.2.3.4.5.6.7.8.9.2"
    item.ReferencedStudySequence = Sequence([])
    item.AccessionNumber = "48151623"
    item.PlacerOrderNumberImagingServiceRequest = "P-77001"
    item.FillerOrderNumberImagingServiceRequest = "F-77002"
    item.RequestedProcedureID = "RP-77003"
    item.RequestedProcedureDescription = "CT for Dr. Huber"
    item.RequestedProcedureCodeSequence = Sequence([])
    return item


def report_of_a_request() -> Dataset:
    """A report that fulfils a request."""
    dataset = _sample("reportsi.dcm")
    dataset.ReferencedRequestSequence = Sequence([_request()])
    return dataset


def key_objects() -> Dataset:
    """A key object selection that fulfils a request."""
    image = _sample("CT_small.dcm")
    image.PatientSex = "M"
    concept = CodedConcept("113000", "DCM", "Of Interest")
    dataset = KeyObjectSelectionDocument(
        evidence=[image],
        content=KeyObjectSelection(document_title=concept, referenced_objects=[image]),
        series_instance_uid=UID(),
        series_number=3,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer="Maker",
    )
    dataset.ReferencedRequestSequence = Sequence([_request()])
    return dataset


def presentation_state() -> Dataset:
    """Graphics and text of a reader on an image."""
    image = _sample("CT_small.dcm")
    image.PatientSex = "M"
    layer = presentation.GraphicLayer("READER 1", order=1)
    pixels = presentation.AnnotationUnitsValues.PIXEL
    line = presentation.GraphicObject(
        graphic_type=presentation.GraphicTypeValues.POLYLINE,
        graphic_data=np.array([[1.0, 1.0], [5.0, 5.0]]),
        units=pixels,
    )
    text = presentation.TextObject(
        text_value="A lesion of the patient", units=pixels, anchor_point=(10.0, 10.0)
    )
    return presentation.GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        series_instance_uid=UID(),
        series_number=12,
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer="Maker",
        manufacturer_model_name="Model",
        software_versions="1",
        device_serial_number="123",
        content_label="LABEL",
        content_creator_name="Huber^Max",
        graphic_layers=[layer],
        graphic_annotations=[
            presentation.GraphicAnnotation(
                referenced_images=[image],
                graphic_layer=layer,
                graphic_objects=[line],
                text_objects=[text],
            )
        ],
        voi_lut_transformations=[
            presentation.SoftcopyVOILUTTransformation(window_center=40.0, window_width=400.0)
        ],
    )


def as_file(dataset: Dataset) -> bytes:
    """A DICOM file of it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
