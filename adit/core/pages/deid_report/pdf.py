"""The report of a job as a PDF."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape

from django.conf import settings
from django.utils import timezone
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from adit.core.pages.deid_report.build import DeidReport
from adit.core.pages.receipt_fonts import PLAIN, register_fonts, runs

register_fonts()
_STYLES = getSampleStyleSheet()
_TEXT = ParagraphStyle("text", parent=_STYLES["BodyText"], fontName=PLAIN, fontSize=9, leading=12)
_TITLE = ParagraphStyle("title", parent=_STYLES["Heading1"], fontSize=16, leading=20)
_HEAD = ParagraphStyle("head", parent=_STYLES["Heading2"], fontSize=11, spaceBefore=10)
_WIDTHS = (120 * mm, 50 * mm)
_GRID = TableStyle(
    [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.HexColor("#d9e0e5")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
)


def report_pdf(report: DeidReport) -> bytes:
    """The report on pages of A4."""
    title = f"De-identification report of job {report.job.pk}"
    target = io.BytesIO()
    document = SimpleDocTemplate(
        target,
        pagesize=A4,
        title=title,
        author=settings.SITE_NAME,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
    )
    document.build(_story(report, title), onFirstPage=_foot, onLaterPages=_foot)
    return target.getvalue()


def _story(report: DeidReport, title: str) -> list[Any]:
    story: list[Any] = [Paragraph(title, _TITLE)]
    profile = report.profile
    facts: list[tuple[str, object]] = [
        ("State", report.state_words),
        ("Started", _time(report.job.start)),
        ("Ended", _time(report.job.end)),
    ]
    if profile is None:
        story += [_table(facts), Spacer(0, 6), _line("Nothing was changed on the way: no profile.")]
        return story
    facts += [
        ("Profile", f"{profile.name}, version {profile.version}"),
        ("Options", ", ".join(report.options) or "Basic Profile only"),
        ("Excluded modalities", ", ".join(profile.excluded_modalities) or "none"),
        ("Burned-in annotations", report.burned_in),
        ("Leak gate", "on" if profile.leak_gate else "off"),
        ("Tasks, series", f"{report.tasks}, {report.series}"),
    ]
    story += [_table(facts, (50 * mm, 120 * mm)), Paragraph("Instances", _HEAD)]
    story.append(
        _table(
            [
                ("Expected", report.expected),
                ("De-identified and sent", report.counts.instances),
                ("Confirmed at the destination", report.confirmed),
                ("Held", report.held_instances),
                ("Released by staff", report.released_instances),
                ("Discarded by staff", report.discarded),
                ("Excluded", report.excluded_instances),
                ("Failed", report.failed),
            ]
        )
    )
    parts = (
        ("What was done to the elements", report.actions),
        ("Held, by what was found", report.held_rows),
        ("Released by staff, by what was found", report.released_rows),
        ("Excluded, by reason", report.excluded_rows),
        ("Attributes never seen before", report.unknown),
    )
    for heading, rows in parts:
        story.append(Paragraph(heading, _HEAD))
        story.append(_table(rows) if rows else _line("None."))
    if profile.own_rules:
        story.append(Paragraph("Own rules of the profile", _HEAD))
        rules = [(f"{one['tag']}: {one['action']}", one["reason"]) for one in profile.own_rules]
        story.append(_table(rules, (60 * mm, 110 * mm)))
    return story


def _table(rows: Iterable[tuple[str, object]], widths: tuple[float, float] = _WIDTHS) -> Table:
    cells = [[_line(name), _line(str(value))] for name, value in rows]
    return Table(cells, colWidths=widths, style=_GRID)


def _line(text: str) -> Paragraph:
    pieces = [f'<font name="{font}">{escape(piece)}</font>' for font, piece in runs(text, PLAIN)]
    return Paragraph("".join(pieces), _TEXT)


def _time(moment: Any) -> str:
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z") if moment else "–"


def _foot(canvas: Any, document: Any) -> None:
    line = canvas.beginText(20 * mm, 10 * mm)
    for font, piece in runs(f"{settings.SITE_NAME}: for research use only", PLAIN):
        line.setFont(font, 8)
        line.textOut(piece)
    canvas.drawText(line)
    canvas.setFont(PLAIN, 8)
    canvas.drawRightString(190 * mm, 10 * mm, f"Page {document.page}")
