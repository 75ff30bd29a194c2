"""The documents among the example instances: a structured report and an encapsulated PDF."""

from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage, EncapsulatedPDFStorage


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """A Code Sequence item (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def add_report(ds: Dataset) -> None:
    """Complete a header to a Basic Text SR (PS3.3 A.35.1) that names the patient in its text."""
    ds.SOPClassUID = BasicTextSRStorage
    ds.pop("SeriesDate", None)
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.PerformedProcedureCodeSequence = []
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = [code("18748-4", "LN", "Diagnostic imaging report")]
    ds.ContinuityOfContent = "SEPARATE"
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    family = str(ds.PatientName).split("^")[0]
    ds.ContentSequence = [
        _text("121071", "Finding", f"Herr/Frau {family}: no acute haemorrhage. Old lacuna left."),
        _text("121073", "Impression", "Age-related changes only. Copy to the family doctor."),
        _person("121008", "Person Observer Name", str(ds.ReferringPhysicianName)),
    ]


def add_letter(ds: Dataset) -> None:
    """Complete a header to an Encapsulated PDF (PS3.3 A.45.1) that names the patient."""
    ds.SOPClassUID = EncapsulatedPDFStorage
    ds.ConversionType = "WSD"
    ds.BurnedInAnnotation = "YES"
    ds.AcquisitionDateTime = ""
    ds.DocumentTitle = f"Letter about {str(ds.PatientName).split('^')[0]}"
    ds.ConceptNameCodeSequence = [code("11488-4", "LN", "Consultation note")]
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document = pdf(["Example Hospital, Radiology", f"Patient {ds.PatientID}", "No abnormality."])
    ds.EncapsulatedDocumentLength = len(document)
    ds.EncapsulatedDocument = document + b"\0" * (len(document) % 2)


def pdf(lines: list[str]) -> bytes:
    """A PDF of one page with these ASCII lines."""
    text = "".join(f"({line}) Tj 0 -24 Td " for line in lines)
    stream = f"BT /F1 16 Tf 72 770 Td {text}ET".encode("ascii")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    document, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(document)
    document += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    document += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    document += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return document + b"startxref\n%d\n%%%%EOF\n" % start


def _item(value_type: str, value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = value_type
    item.ConceptNameCodeSequence = [code(value, "DCM", meaning)]
    return item


def _text(value: str, meaning: str, text: str) -> Dataset:
    item = _item("TEXT", value, meaning)
    item.TextValue = text
    return item


def _person(value: str, meaning: str, name: str) -> Dataset:
    item = _item("PNAME", value, meaning)
    item.RelationshipType = "HAS OBS CONTEXT"
    item.PersonName = name
    return item
