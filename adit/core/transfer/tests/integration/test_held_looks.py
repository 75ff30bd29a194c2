"""Staff sees what it would release: pixels, documents and bytes, as they would leave."""

import base64
import html
import io
import re

import numpy as np
import pytest
from django.test import Client
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG4HP41, UID, ExplicitVRLittleEndian

from adit.audit.models import AuditEntry
from adit.core.factories import DeidProfileFactory, DicomServerFactory, UserFactory
from adit.core.models import SeriesTransfer
from adit.core.models.records import decode_records, encode_records
from adit.test_pacs.double import PacsDouble

from .conftest import ExampleStudy

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

PDF_CLASS, SC_CLASS = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.7"
DOCUMENT = b"%PDF-1.4 of Zabolotny "
SAFE = {"creator": "ACME 1", "group": 0x19, "element": 1, "vr": "OB", "note": "x"}


def instance(number: int, sop_class: str, modality: str, **attributes) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = attributes.pop("syntax", ExplicitVRLittleEndian)
    ds.PatientName, ds.PatientID = "Zabolotny^Cornelius", "HX4471910"
    ds.PatientBirthDate, ds.StudyDate, ds.AccessionNumber = "19610723", "20200412", "ACC90"
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = sop_class, f"1.2.9.3.{number}", modality
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.9", f"1.2.9.2.{number}"
    ds.SeriesNumber, ds.InstanceNumber = number, 1
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    ds.file_meta.MediaStorageSOPInstanceUID = UID(ds.SOPInstanceUID)
    return ds


def pixels(frames: int = 1) -> dict:
    written = np.zeros((frames, 32, 48), "u1")
    written[-1, 8:12, 4:40] = 255  # what somebody wrote into the last frame
    image = {"Rows": 32, "Columns": 48, "NumberOfFrames": frames, "SamplesPerPixel": 1}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    return {
        **image,
        **bits,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": written.tobytes(),
    }


def with_more(image: dict) -> dict:
    """What is written lies in a bit above the values too, and bytes follow the last frame."""
    more = {"BitsStored": 7, "HighBit": 6, "PixelData": image["PixelData"] + bytes(64)}
    return image | more


@pytest.fixture(scope="module")
def example_study():
    video = pixels() | {"syntax": MPEG4HP41, "PixelData": encapsulate([b"video"])}
    private = instance(4, "1.2.840.10008.5.1.4.1.1.2", "CT", **pixels())
    block = private.private_block(0x19, "ACME 1", create=True)
    block.add_new(1, "OB", b"\1\2" + b"Zabolotny phone 123 " + bytes(20))
    document = {"EncapsulatedDocument": DOCUMENT, "MIMETypeOfEncapsulatedDocument": "text/html"}
    instances = [
        instance(1, SC_CLASS, "OT", **with_more(pixels(2))),
        instance(2, PDF_CLASS, "OT", **document),
        instance(3, SC_CLASS, "OT", **video),
        private,
    ]
    return ExampleStudy("HX4471910", "1.2.9", instances)


@pytest.fixture
def rows(example_study, destination, make_task, work):
    """The rows of the ledger, by what is held in them."""
    with PacsDouble("DOUBLE", instances=example_study.instances) as double:
        source = DicomServerFactory(name="DOUBLE", ae_title="DOUBLE", port=double.port)
        options = ["retain_safe_private"]
        profile = DeidProfileFactory(options=options, safe_private=[SAFE])
        task = make_task(destination, source=source, profile=profile)
        result = work(task)
        assert "0 of 4 instances confirmed" in result.message
        found = list(SeriesTransfer.objects.filter(task=task).order_by("series_number"))
        yield dict(zip(("image", "document", "video", "private"), found, strict=True))


@pytest.fixture
def client(transactional_db):
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    return client


def key_of(client, row) -> str:
    (group,) = client.get(f"/held/{row.pk}/").context["groups"]
    return group.instances[0].key


def look(client, row, **fields):
    response = client.post(f"/held/{row.pk}/look/", {"key": key_of(client, row), **fields})
    assert "no-store" in response["Cache-Control"]
    assert "1.2.9" not in response.content.decode().split("preview-table")[0]
    return response


def picture_in(response) -> np.ndarray:
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', response.content.decode())
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(html.unescape(data)))))


def test_staff_sees_what_it_would_release(rows, client):
    # The pixels, frame by frame.
    response = look(client, rows["image"])
    assert picture_in(response).max() == 0
    content = response.content.decode()
    assert "Frame 1 of 2" in content and 'data-testid="unused-bits"' not in content
    assert "The pixels go on for 64 bytes after the last frame." in content
    for window in ("full", "unused"):
        response = look(client, rows["image"], frame="2", window=window)
        written = picture_in(response)
        assert (written[8:12, 4:40] == 255).all() and written[0].max() == 0
        told = 'data-testid="unused-bits"' in response.content.decode()
        assert told == (window == "full")
    assert "there is no frame 7" in look(client, rows["image"], frame="7").content.decode().lower()
    assert "there is no frame 0" in look(client, rows["image"], frame="x").content.decode().lower()
    outcomes = list(AuditEntry.objects.filter(action="held.look").values_list("outcome", flat=True))
    assert "looked at held instance 1 of series 1, frame 2" in outcomes
    assert outcomes.count("looked at held instance 1 of series 1 without a picture") == 2
    assert len(outcomes) == 5

    # The document, by its text and as a file.
    row = rows["document"]
    content = look(client, row).content.decode()
    assert "%PDF-1.4 of Zabolotny" in content and "Of the patient:" in content
    got = client.post(f"/held/{row.pk}/download/document/", {"key": key_of(client, row)})
    assert got.content == DOCUMENT
    assert got["Content-Type"] == "application/pdf"
    name = f"held-job{row.task.job_id}-task1-instance1-series2.pdf"
    assert got["Content-Disposition"] == f'attachment; filename="{name}"'
    assert got["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in got["Cache-Control"]
    entry = AuditEntry.objects.get(action="held.download")
    assert entry.outcome == "downloaded the document of held instance 1 of series 2"

    # What cannot be shown says so, and is offered as a whole: as it would leave.
    content = look(client, rows["video"]).content.decode()
    assert "It is a video (MPEG-4" in content and "data:image/png" not in content
    url = f"/held/{rows['video'].pk}/download/instance/"
    ds = dcmread(io.BytesIO(client.post(url, {"key": key_of(client, rows["video"])}).content))
    assert (ds.PatientID, ds.SOPInstanceUID != "1.2.9.3.3") == ("PSEUDO1", True)
    assert ds.file_meta.TransferSyntaxUID == MPEG4HP41
    none = client.post(
        f"/held/{rows['video'].pk}/download/document/", {"key": key_of(client, rows["video"])}
    )
    assert (none.status_code, "no document" in none.content.decode()) == (409, True)

    # Bytes, by what can be read of them.
    content = look(client, rows["private"]).content.decode()
    assert "Zabolotny phone 123" in content and "(0019,1001)" in content
    assert 'data-testid="changed"' not in content


def test_a_look_at_other_content_than_was_held_says_so(rows, client):
    row = rows["private"]
    (record,) = decode_records(row.instances)
    record.sha256_held = "00" * 32
    row.instances = encode_records([record])
    row.save()
    content = look(client, row).content.decode()
    assert "The source has other content under this UID by now" in content
