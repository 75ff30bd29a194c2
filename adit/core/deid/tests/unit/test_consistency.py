"""One patient stays one patient: over runs, processes, kinds of objects and references."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom.sr import CodedConcept
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from adit.core.deid import Assignment, Option, standard_research_profile
from adit.core.deid.actions import birth_date
from adit.core.deid.dates import age_between, parse_date
from adit.core.deid.tests.objects import (
    SECRET,
    ct_header,
    decode,
    encode,
    phantoms,
    process,
    process_dataset,
    profile,
    sample_files,
)

STANDARD = tuple(standard_research_profile(SECRET).options)
STRUCTURED = (*STANDARD, Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_GRAPHICS)


def references(dataset: Dataset, keyword: str = "ReferencedSOPInstanceUID") -> set[str]:
    """UIDs that an object refers to, at all levels."""
    found = set()
    for element in dataset.iterall():
        if element.keyword == keyword:
            found.add(str(element.value))
    return found


def file_bytes(dataset: Dataset) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()
    length = int.from_bytes(data[140:144], "little")
    return data[144 + length :], str(dataset.file_meta.TransferSyntaxUID)


def de_identified(dataset: Dataset) -> Dataset:
    data, syntax = file_bytes(dataset)
    after, result = process(data, syntax, under=profile(*STRUCTURED))
    done = decode(after, result.transfer_syntax_uid)
    return done


@cache
def series() -> tuple[Dataset, ...]:
    """Three CT images of one series."""
    path = get_testdata_file("CT_small.dcm", download=False)
    images = []
    for number in range(3):
        image = pydicom.dcmread(str(path))
        image.SOPInstanceUID = generate_uid(entropy_srcs=["consistency", str(number)])
        image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
        image.InstanceNumber = number + 1
        image.ImagePositionPatient = [0, 0, number * 2]
        images.append(image)
    return tuple(images)


def _common(number: int) -> dict[str, Any]:
    return {
        "series_instance_uid": generate_uid(entropy_srcs=["series", str(number)]),
        "series_number": number,
        "sop_instance_uid": generate_uid(entropy_srcs=["instance", str(number)]),
        "instance_number": 1,
        "manufacturer": "Maker",
    }


def segmentation() -> Dataset:
    mask = np.zeros((3, 128, 128), np.uint8)
    mask[:, 20:40, 30:50] = 1
    description = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Liver",
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=codes.SCT.Liver,
        algorithm_type="MANUAL",
    )
    return hd.seg.Segmentation(
        source_images=list(series()),
        pixel_array=mask,
        segmentation_type="BINARY",
        segment_descriptions=[description],
        manufacturer_model_name="Model",
        software_versions="1",
        device_serial_number="1",
        **_common(2),
    )


def structured_report() -> Dataset:
    image = hd.sr.SourceImageForMeasurement.from_source_image(series()[0])
    measurement = hd.sr.Measurement(
        name=codes.SCT.Length,
        value=12.0,
        unit=codes.UCUM.Millimeter,
        referenced_images=[image],
        tracking_identifier=hd.sr.TrackingIdentifier(uid=hd.UID(), identifier="Lesion"),
    )
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes("Weber^Otto"),
    )
    report = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_person_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[
            hd.sr.MeasurementsAndQualitativeEvaluations(
                tracking_identifier=hd.sr.TrackingIdentifier(hd.UID(), "Group"),
                measurements=[measurement],
            )
        ],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return hd.sr.Comprehensive3DSR(
        evidence=list(series()), content=report, is_complete=True, **_common(3)
    )


def presentation_state() -> Dataset:
    line = hd.pr.GraphicObject(
        graphic_type="POLYLINE",
        graphic_data=np.array([[10.0, 10.0], [20.0, 20.0]]),
        units="PIXEL",
    )
    annotation = hd.pr.GraphicAnnotation(
        referenced_images=list(series()),
        graphic_layer=hd.pr.GraphicLayer("LAYER", order=1),
        graphic_objects=[line],
    )
    return hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=list(series()),
        manufacturer_model_name="Model",
        software_versions="1",
        device_serial_number="1",
        content_label="LABEL",
        graphic_layers=[hd.pr.GraphicLayer("LAYER", order=1)],
        graphic_annotations=[annotation],
        voi_lut_transformations=[
            hd.pr.SoftcopyVOILUTTransformation(window_center=40.0, window_width=400.0)
        ],
        **_common(4),
    )


def key_objects() -> Dataset:
    content = hd.ko.KeyObjectSelection(
        document_title=codes.DCM.OfInterest, referenced_objects=list(series())
    )
    return hd.ko.KeyObjectSelectionDocument(evidence=list(series()), content=content, **_common(5))


REFERRING = {
    "SEG": segmentation,
    "SR": structured_report,
    "PR": presentation_state,
    "KO": key_objects,
}


@pytest.mark.parametrize("kind", REFERRING)
def test_references_to_images_still_hold(kind: str):
    images = {str(de_identified(image).SOPInstanceUID) for image in series()}
    original = REFERRING[kind]()
    before = references(original)

    after = references(de_identified(original))

    assert len(before) >= 1
    assert after and after <= images
    assert len(after) == len(before)


def test_radiotherapy_objects_still_refer_to_each_other():
    plan = pydicom.dcmread(str(get_testdata_file("rtplan.dcm", download=False)))
    structures = pydicom.dcmread(str(get_testdata_file("rtstruct.dcm", download=False)), force=True)
    dose = pydicom.dcmread(str(get_testdata_file("rtdose.dcm", download=False)))
    structures.SOPInstanceUID = plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID
    dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID = plan.SOPInstanceUID
    kept = profile(*STRUCTURED)

    done_plan, _ = process_dataset(plan, under=kept)
    done_dose, _ = process_dataset(dose, under=kept)
    header = ct_header(SOPInstanceUID=structures.SOPInstanceUID)
    done_structures, _ = process_dataset(header, under=kept)

    assert references(done_dose) >= {done_plan.SOPInstanceUID}
    assert references(done_plan) >= {done_structures.SOPInstanceUID}


def test_all_samples_of_radiotherapy_keep_their_references():
    checked = 0
    for path in sample_files():
        if not path.name.lower().startswith(("rt", "rtplan")) or "truncated" in path.name:
            continue
        original = pydicom.dcmread(path)
        before = references(original)
        data, _ = process_dataset(original, under=profile(*STRUCTURED))
        assert len(references(data)) == len(before), path.name
        checked += 1

    assert checked >= 2


SCRIPT = """
import hashlib, io
from adit.core.deid.tests.objects import SECRET, phantoms, process, profile
from adit.core.deid import standard_research_profile, Option
options = standard_research_profile(SECRET).options | {Option.RETAIN_SAFE_PRIVATE}
digest = hashlib.sha256()
for data, syntax in phantoms(1):
    digest.update(process(data, syntax, under=profile(*options))[0])
print(digest.hexdigest())
"""


def test_two_processes_with_other_hash_seeds_write_the_same_bytes():
    root = Path(__file__).resolve().parents[5]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root), "PATH": ""},
            cwd=root,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(outputs) == 1 and len(outputs.pop()) > 60


def test_the_order_of_objects_does_not_matter():
    objects = phantoms(1)
    from adit.core.deid import Pseudonymizer

    def run(items: list[tuple[bytes, str]]) -> dict[bytes, bytes]:
        pseudonymizer = Pseudonymizer(profile(*STANDARD), Assignment(pseudonym="S1"))
        done = {}
        for data, syntax in items:
            target = io.BytesIO()
            pseudonymizer.process(io.BytesIO(data), target, syntax)
            done[data] = target.getvalue()
        return done

    assert run(objects) == run(objects[::-1])


DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))


@settings(max_examples=60, deadline=None)
@given(birth=DAYS, first=DAYS, gap=st.integers(0, 4000))
def test_distances_and_ages_of_one_patient_stay(birth: date, first: date, gap: int):
    second = first + timedelta(days=gap)
    done = []
    for day in (first, second):
        dataset = ct_header(PatientBirthDate=f"{birth:%Y%m%d}", StudyDate=f"{day:%Y%m%d}")
        years = age_between(birth, day, "Y")
        if years is not None:
            dataset.PatientAge = f"{years:03d}Y"
        done.append(process_dataset(dataset, under=profile(*STANDARD))[0])

    days = [parse_date(dataset.StudyDate) for dataset in done]
    assert days[0] and days[1]
    assert (days[1] - days[0]).days == gap
    for dataset, day in zip(done, (first, second), strict=True):
        years = age_between(birth, day, "Y")
        if years is None:
            continue
        if years > 89:
            assert dataset.PatientAge == "090Y" and not dataset.PatientBirthDate
        else:
            shifted = parse_date(dataset.PatientBirthDate)
            moved = parse_date(dataset.StudyDate)
            assert shifted and moved
            assert dataset.PatientAge == f"{age_between(shifted, moved, 'Y'):03d}Y"
            assert abs(int(dataset.PatientAge[:3]) - years) <= 1


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=0, max_size=20), st.sampled_from(["StudyDate", "StudyTime", "PatientAge"]))
def test_malformed_values_are_no_error_and_do_not_stay_as_dates(text: str, keyword: str):
    from adit.core.deid.codec import EXPLICIT_LITTLE, encode_element
    from adit.core.deid.tests.objects import encode

    tag = {"StudyDate": 0x00080020, "StudyTime": 0x00080030, "PatientAge": 0x00101010}[keyword]
    vr = {"StudyDate": b"DA", "StudyTime": b"TM", "PatientAge": b"AS"}[keyword]
    raw = text.encode("utf-8", "replace").replace(b"\\", b"")
    data = encode_element(EXPLICIT_LITTLE, tag, vr, raw) + encode(ct_header())

    after, _ = process(data, under=profile(*STANDARD))

    value = str(decode(after).get(keyword) or "")
    if keyword == "StudyDate":
        assert value == "" or parse_date(value)
    elif keyword == "StudyTime":
        assert value == "" or value[0].isdigit()
    else:
        assert value == "" or value[:3].isdigit()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 10**8), min_size=4, max_size=9))
def test_uids_are_valid_and_stay_apart(parts: list[int]):
    uid = "1.3." + ".".join(map(str, parts))[:55].rstrip(".")
    after, _ = process_dataset(ct_header(FrameOfReferenceUID=uid))
    again, _ = process_dataset(ct_header(FrameOfReferenceUID=uid))
    other, _ = process_dataset(ct_header(FrameOfReferenceUID=uid + ".1"))

    assert after.FrameOfReferenceUID == again.FrameOfReferenceUID
    assert other.FrameOfReferenceUID not in (after.FrameOfReferenceUID, uid)
    assert after.FrameOfReferenceUID.is_valid


def test_the_reason_for_hiding_old_ages_is_stated():
    assert birth_date.__doc__ and "HIPAA" in birth_date.__doc__


def test_ids_in_sequences_are_cleaned_out_of_descriptions():
    other = Dataset()
    other.PatientID = "KV-778899"
    dataset = ct_header(OtherPatientIDsSequence=[other], StudyDescription="Thorax KV-778899")

    after, result = process_dataset(dataset, under=profile(*STANDARD))

    assert after.StudyDescription == "Thorax"
    assert result.findings == []


def test_an_item_with_a_narrower_character_set_takes_the_pseudonym():
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 100"
    item.PatientName = "Müller^Jürgen"
    item.Manufacturer = "Größe"
    dataset = ct_header(SpecificCharacterSet="ISO_IR 192", ReferencedImageSequence=[item])

    after, _ = process_dataset(dataset, assignment=Assignment(pseudonym="研究-1"))

    done = after.ReferencedImageSequence[0]
    assert (str(done.PatientName), done.Manufacturer) == ("研究-1", "Größe")
    assert done.SpecificCharacterSet == "ISO_IR 192"


def test_coded_concepts_stay():
    concept = CodedConcept("T-62000", "SRT", "Liver")
    dataset = ct_header(AnatomicRegionSequence=[concept])

    after, _ = process_dataset(dataset)

    assert after.AnatomicRegionSequence[0].CodeMeaning == "Liver"


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_ids_in_functional_groups_are_cleaned_out_of_descriptions(syntax: str):
    frame, content = Dataset(), Dataset()
    content.OtherPatientIDs, content.OperatorsName = "AB-CD77", "Wolfenstein^H"
    frame.FrameContentSequence = [content]
    dataset = ct_header(SeriesDescription="Thorax AB-CD77 Wolfenstein")
    dataset.PerFrameFunctionalGroupsSequence = [Dataset(), frame]

    data, result = process(encode(dataset, syntax), syntax, under=profile(*STANDARD))

    assert decode(data, syntax).SeriesDescription == "Thorax"
    assert result.findings == []
