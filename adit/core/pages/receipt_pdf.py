"""Receipts as PDF: tables to read, the receipt as JSON attached, a signature over the whole file.

The pages are made from nothing but the JSON receipt, always in the same way, so that a changed page
can be told from the page that was signed. The signature is that of the receipt, printed as a code;
one over all bytes of the file stands behind its end, in a line that viewers pass over.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from reportlab.lib.pagesizes import A4, landscape
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFStream, PDFString
from reportlab.pdfgen.canvas import Canvas

from adit.core.pages.receipt_content import Fields, items_key
from adit.core.pages.receipt_fonts import BOLD, PLAIN, register_fonts, runs
from adit.core.pages.receipt_seals import grouped, sign_bytes, signing_key
from adit.core.words import counted

ATTACHMENT = "receipt.json"
SIGNATURE_MARK = b"% adit-receipt-signature 1 "
CREATOR = "ADIT receipt"

_WIDTH, _HEIGHT = landscape(A4)
_MARGIN = 36.0
_LINE = 12.0
_SIZE = 7.5

_COUNTS = ("expected", "received", "sent", "confirmed", "excluded", "held", "failed")


def signed_pdf(receipt: Fields, attachment: bytes) -> bytes:
    """The PDF of a receipt; `attachment` is the receipt as its JSON file."""
    pages = render_pages(receipt, attachment)
    key = signing_key()
    line = f"{key.id} {sign_bytes(key, pages)}\n"
    return pages + SIGNATURE_MARK + line.encode()


def render_pages(receipt: Fields, attachment: bytes) -> bytes:
    """The file without the signature line; the same bytes for the same receipt."""
    register_fonts()
    buffer = io.BytesIO()
    # Pages are not compressed: who compares two of them sees what differs.
    canvas = Canvas(buffer, pagesize=(_WIDTH, _HEIGHT), invariant=1, pageCompression=0)
    canvas.setCreator(CREATOR)
    canvas.setTitle(_title(receipt))
    _attach(canvas, attachment)
    _Pages(canvas, receipt).draw()
    canvas.save()
    return buffer.getvalue()


def _title(receipt: Fields) -> str:
    if receipt["receipt"] == "task":
        return f"Receipt of task {receipt['line']} of job {receipt['job']}"
    return f"Receipt of job {receipt['job']}"


def _attach(canvas: Canvas, data: bytes) -> None:
    """Embed a file (ISO 32000-1, 7.11.4)."""
    document: Any = canvas._doc  # type: ignore[attr-defined]
    stream = PDFStream(content=data)
    stream.dictionary["Type"] = PDFName("EmbeddedFile")
    stream.dictionary["Subtype"] = PDFName("application/json")
    stream.filters = []
    embedded = document.Reference(stream, "AditReceipt")
    specification = PDFDictionary(
        {
            "Type": PDFName("Filespec"),
            "F": PDFString(ATTACHMENT),
            "UF": PDFString(ATTACHMENT),
            "EF": PDFDictionary({"F": embedded}),
        }
    )
    names = PDFArray([PDFString(ATTACHMENT), document.Reference(specification)])
    document.Catalog.Names = PDFDictionary({"EmbeddedFiles": PDFDictionary({"Names": names})})


class _Pages:
    """Draws lines of text and tables from the top to the bottom of as many pages as needed."""

    def __init__(self, canvas: Canvas, receipt: Fields) -> None:
        self._canvas = canvas
        self._receipt = receipt
        self._code = grouped(receipt["signature"]["value"])
        self._y = 0.0
        self._page = 0

    def draw(self) -> None:
        receipt = self._receipt
        self._new_page()
        self._text(_MARGIN, _title(receipt), BOLD, 15)
        self._down(2)
        self._text(_MARGIN, receipt["statement"], BOLD, 11)
        self._down()
        self._text(_MARGIN, "Complete" if receipt["complete"] else "Not complete", PLAIN, 9)
        self._down(1.5)
        for name, value in _facts(receipt):
            self._text(_MARGIN, name, BOLD)
            self._text(_MARGIN + 110, self._fit(value, _WIDTH - 2 * _MARGIN - 110, PLAIN))
            self._down()
        self._down()
        if receipt["receipt"] == "task":
            self._series()
        else:
            self._tasks()
        self._canvas.showPage()

    # Tables

    def _series(self) -> None:
        receipt = self._receipt
        shows = receipt["shows_source"]
        widths = [44.0, 46, 120 if shows else 0, 60, *[46] * 7, 60, 0]
        heads = ["Series", "Modality", "Description" if shows else "", "State"]
        heads += [name.capitalize() for name in _COUNTS] + ["Bytes sent", "Remark"]
        rows = []
        for one in receipt[items_key(receipt)]:
            files = one.get("files", ())
            remark = one["reason"] or (counted(len(files), "file") if files else "")
            number = "–" if one["series_number"] is None else str(one["series_number"])
            rows.append(
                [number, one["modality"], one.get("description", ""), one["state"]]
                + [str(one[name]) for name in _COUNTS]
                + [str(one["bytes_sent"]), remark]
            )
        self._table(heads, rows, widths)

    def _tasks(self) -> None:
        widths = [34.0, 110, 60, 90, *[46] * 7, 60, 0]
        heads = ["Task", "Pseudonym", "State", "Destination"]
        heads += [name.capitalize() for name in _COUNTS] + ["Bytes sent", "Remark"]
        rows = (
            [
                str(one["line"]),
                one["pseudonym"] or one.get("source_patient_id", ""),
                one["state"],
                one["destination"],
                *[str(one["totals"][name]) for name in _COUNTS],
                str(one["totals"]["bytes_sent"]),
                one["message"],
            ]
            for one in self._receipt["tasks"]
        )
        self._table(heads, rows, widths)

    def _table(self, heads: Sequence[str], rows: Any, widths: Sequence[float]) -> None:
        widths = [*widths[:-1], _WIDTH - 2 * _MARGIN - sum(widths)]
        self._row(heads, widths, BOLD)
        for row in rows:
            if self._y < _MARGIN + 3 * _LINE:
                self._canvas.showPage()
                self._new_page()
                self._row(heads, widths, BOLD)
            self._row(row, widths, PLAIN)

    def _row(self, cells: Sequence[str], widths: Sequence[float], font: str) -> None:
        x = _MARGIN
        for cell, width in zip(cells, widths, strict=True):
            if width > 0 and cell:
                self._text(x, self._fit(cell, width - 4, font), font)
            x += width
        self._canvas.setLineWidth(0.25)
        self._canvas.line(_MARGIN, self._y - 3.5, _WIDTH - _MARGIN, self._y - 3.5)
        self._down()

    # Text

    def _new_page(self) -> None:
        self._page += 1
        self._y = _MARGIN
        self._text(_MARGIN, f"Code {self._code}", PLAIN, 6.5)
        self._y -= 10
        text = f"{_title(self._receipt)}, issued {self._receipt['issued']}, page {self._page}. "
        text += "The attached receipt.json lists the rest; manage.py verify_receipt checks both."
        self._text(_MARGIN, text, PLAIN, 6.5)
        self._y = _HEIGHT - _MARGIN - _LINE

    def _down(self, lines: float = 1) -> None:
        self._y -= lines * _LINE

    def _text(self, x: float, text: str, font: str = PLAIN, size: float = _SIZE) -> None:
        for name, piece in runs(text, font):
            self._canvas.setFont(name, size)
            self._canvas.drawString(x, self._y, piece)
            x += pdfmetrics.stringWidth(piece, name, size)

    def _fit(self, text: str, width: float, font: str) -> str:
        """The text, cut where the column ends."""
        text = " ".join(text.split())
        used = 0.0
        for index, char in enumerate(text):
            for name, piece in runs(char, font):
                used += pdfmetrics.stringWidth(piece, name, _SIZE)
            if used > width:
                return text[: max(1, index - 1)] + "…"
        return text


def _facts(receipt: Fields) -> list[tuple[str, str]]:
    facts: list[tuple[str, object]] = [("State", receipt["state"])]
    if receipt["receipt"] == "task":
        facts += [
            ("From", receipt["source"]),
            ("To", receipt["destination"]),
            ("Pseudonym", receipt["pseudonym"]),
            ("Source patient ID", receipt.get("source_patient_id")),
            ("Source study", receipt.get("source_study_instance_uid")),
            ("Protocol", receipt["protocol"]),
            ("Proof", receipt["proof"]),
        ]
    else:
        facts += [("Owner", receipt["owner"])]
        if archive := receipt["archive"]:
            text = (
                f"{archive['name']}, {counted(archive['files'], 'file')}, {archive['size']} bytes"
            )
            facts += [("Archive", text), ("SHA-256 of it", archive["sha256"])]
    facts += [
        ("Result", receipt["message"]),
        ("Started", receipt["start"]),
        ("Ended", receipt["end"]),
        ("Issued", receipt["issued"]),
    ]
    return [(name, str(value)) for name, value in facts if value]
