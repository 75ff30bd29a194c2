"""What staff reads of a value that no row of a table can show."""

import io

import pytest
from django.template.loader import render_to_string
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adit.core.deid import PreviewRow, SourcePatient
from adit.core.pages.held.contents import content_of, contents, words_of
from adit.core.pages.held.documents import as_download, document_of

PDF, CDA = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.104.2"
WORDS = ("zabolotny", "müller")


def as_read(ds: Dataset, syntax=ExplicitVRLittleEndian) -> Dataset:
    buffer = io.BytesIO()
    implicit = syntax == ImplicitVRLittleEndian
    ds.save_as(buffer, implicit_vr=implicit, little_endian=True)
    return dcmread(io.BytesIO(buffer.getvalue()), force=True)


@pytest.mark.parametrize(
    "value",
    [
        b"\1\2\3" + b"Zabolotny" + bytes(9),
        bytes(2000) + "Zabolotny".encode("utf-16-le"),
        bytes(2001) + "Zabolotny".encode("utf-16-be"),
        b"\xff" * 99 + "Müller".encode("latin-1"),
        b"\xff" * 99 + "x Müller".encode(),
        b"\0".join(b"word%d" % number for number in range(500)) + b"\0Zabolotny",
        b"a" * 5000 + b"Zabolotny" + b"b" * 5000,
    ],
)
def test_words_of_the_patient_come_first_and_the_bytes_around_them_are_shown(value):
    found = content_of("x", value, WORDS)
    assert found.size == len(value)
    first = found.runs[0]
    assert first.is_patients and any(word in first.text.casefold() for word in WORDS)
    assert len(first.text) < 500
    assert found.dumped_from <= first.offset < found.dumped_from + 256


def test_without_text_the_bytes_are_shown():
    found = content_of("x", bytes(range(24)), WORDS)
    assert (found.runs, found.more_runs) == ([], 0)
    assert found.dump.splitlines()[1].startswith("00000010  10 11 12 13")


@pytest.mark.parametrize(
    "value", [b"WmFib2xvdG55", b"yntolobaZ", "Zabolotny".encode("utf-32-le"), bytes(24)]
)
def test_words_in_another_encoding_are_said_not_to_be_listed(value):
    found = content_of("x", value, WORDS)
    assert not found.has_words
    page = render_to_string("core/held/_content.html", {"content": found})
    assert "stand in another encoding" in page
    found = content_of("x", value + b"\0" * 4 + b"Zabolotny", WORDS)
    assert found.has_words
    page = render_to_string("core/held/_content.html", {"content": found})
    assert "another encoding" not in page


def test_many_runs_are_counted():
    found = content_of("x", b"\0".join([b"word"] * 100), WORDS)
    assert (len(found.runs), found.more_runs) == (40, 60)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_private_bytes_and_long_text_are_found_at_all_levels(syntax):
    item = Dataset()
    item.private_block(0x19, "ACME 1", create=True).add_new(1, "OB", b"Zabolotny ")
    ds = Dataset()
    ds.RequestAttributesSequence = [item]
    ds.ImageComments = "ä" * 200 + " Zabolotny"
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.PatientComments = "not asked for" * 50
    found = contents(as_read(ds, syntax), {0x00191001, 0x00204000}, WORDS)
    assert {one.place for one in found} == {"(0019,1001) ", "(0020,4000) ImageComments"}
    assert all(one.runs[0].is_patients for one in found)


def test_the_words_are_those_of_the_header_and_of_the_source():
    before = {"PatientName": "Zabolotny^Cornelius^^Dr", "PatientID": "HX447 1910", "Rows": "512"}
    source = [
        PreviewRow("", 0, "", keyword, "", "", value, "", "", "")
        for keyword, value in before.items()
    ]
    patient = SourcePatient(name="Müller=X", patient_ids=("OLD-1",), birth_date="19610723")
    assert words_of(source, patient) == (
        "1910", "19610723", "cornelius", "hx447", "müller", "old-1", "zabolotny",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sop_class", "data", "expected"),
    [
        (PDF, b"%PDF-1.7 x", ("pdf", "application/pdf", False)),
        (PDF, b"MZ\x90 no PDF", ("bin", "application/octet-stream", True)),
        (CDA, b"<html onload=alert(1)>", ("xml", "application/octet-stream", False)),
        (CDA, b"%PDF-1.7 x", ("pdf", "application/pdf", True)),
        ("1.2.3", b"what", ("bin", "application/octet-stream", False)),
    ],
)
def test_a_document_is_what_its_bytes_say(sop_class, data, expected):
    ds = Dataset()
    ds.SOPClassUID, ds.EncapsulatedDocument = sop_class, data + b"\0" * (len(data) % 2)
    ds.EncapsulatedDocumentLength = len(data)
    ds.MIMETypeOfEncapsulatedDocument = "text/html"
    found = document_of(ds)
    assert found is not None and found.data == data
    assert (found.suffix, found.media_type, bool(found.remark)) == expected


def test_no_document_is_none():
    assert document_of(Dataset()) is None


def test_a_download_is_never_opened_by_the_browser():
    response = as_download(b"x", "application/pdf", "held.pdf")
    assert response["Content-Disposition"] == 'attachment; filename="held.pdf"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
