import base64
import json
import re
import zlib

import pytest
from django.test import Client
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

from adit.core.factories import DeidProfileFactory
from adit.core.models import SeriesTransfer
from adit.core.models.records import InstanceRecord, InstanceState, encode_records
from adit.core.pages.deid_report.pdf import _line
from adit.selective_transfer.models import SelectiveTransferJob

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

FINDING = "patient_name in (0020,4000) ImageComments"


@pytest.fixture
def job(owner, make_job):
    job = make_job(owner, "WARNING", ["SUCCESS", "WARNING"])
    profile = DeidProfileFactory(name="Lung study", options=["clean_descriptors"])
    SelectiveTransferJob.objects.filter(pk=job.pk).update(profile=profile)
    state = InstanceState
    records = [
        InstanceRecord("1.2.3.1", state.CONFIRMED, "2.25.1", 5, "aa" * 32, counted=True),
        InstanceRecord("1.2.3.2", state.CONFIRMED, "2.25.2", accepted=(FINDING,), counted=True),
        InstanceRecord("1.2.3.3", state.HELD, reason="Held", findings=(FINDING,)),
        InstanceRecord("1.2.3.4", state.EXCLUDED, reason="discarded by staff", discarded=True),
        InstanceRecord("1.2.3.5", state.EXCLUDED, reason="Modality SR is excluded."),
    ]
    for task in job.tasks.all():
        SeriesTransfer.objects.create(
            task=task,
            series_instance_uid="1.2.3",
            description="Description of the source",
            expected=5,
            confirmed=2,
            held=1,
            released=1,
            discarded=1,
            excluded=2,
            instances=encode_records(records),
            deid_counts={
                "instances": 2,
                "actions": {"keep": 40, "remove": 6},
                "unknown": {"(0019) SOME MAKER": 3},
            },
        )
    return job


def get(user, url):
    client = Client()
    client.force_login(user)
    return client.get(url)


def text_of_pdf(content: bytes) -> str:
    """What reportlab shows in its streams, which it deflates and writes in Base 85."""
    streams = re.findall(rb">>\s*stream\s((?:(?!endstream).)*?)~>\s*endstream", content, re.S)
    pages = [zlib.decompress(base64.a85decode(stream)).decode("latin-1") for stream in streams]
    return " ".join(re.findall(r"\((.*?)\) Tj", " ".join(pages))).replace("\\", "")


def test_the_report_adds_up_the_tasks(owner, job):
    content = get(owner, f"/jobs/{job.pk}/report.json").json()
    assert content["profile"]["name"] == "Lung study"
    numbers = ("expected", "confirmed", "deidentified", "held", "released", "discarded", "excluded")
    assert [content[name] for name in numbers] == [10, 4, 4, 2, 2, 2, 2]
    assert content["actions"] == {"keep": 80, "remove": 12}
    assert content["unknown"] == {"(0019) SOME MAKER": 6}
    assert content["excluded_because"] == {"Modality SR is excluded.": 2}
    words = "(0020,4000) ImageComments: a part of the patient's name"
    assert content["held_for"] == content["released_with"] == {words: 2}


def test_the_report_is_a_page_and_a_pdf(owner, job):
    page = get(owner, f"/jobs/{job.pk}/report/").content.decode()
    answer = get(owner, f"/jobs/{job.pk}/report.pdf")
    assert answer["Content-Type"] == "application/pdf"
    text = text_of_pdf(answer.content)
    for words in ("Lung study, version 1", "SOME MAKER", "Modality SR is excluded."):
        assert words in page
        assert words in text


def test_no_identifier_of_the_source_stands_in_the_report(owner, job):
    profile = SelectiveTransferJob.objects.get(pk=job.pk).profile
    page = get(owner, f"/jobs/{job.pk}/report/").content.decode()
    content = json.dumps(get(owner, f"/jobs/{job.pk}/report.json").json())
    for secret in ("1.2.3.1", "PID1", "Description of the source", profile.secret):
        assert secret not in page + content


def test_a_job_without_profile_says_so(owner, make_job):
    job = make_job(owner)
    assert "no profile" in get(owner, f"/jobs/{job.pk}/report/").content.decode()
    assert get(owner, f"/jobs/{job.pk}/report.json").json()["profile"] is None
    assert get(owner, f"/jobs/{job.pk}/report.pdf").content.startswith(b"%PDF")


@pytest.mark.parametrize("page", ["report/", "report.json", "report.pdf"])
def test_the_report_is_for_the_owner_and_staff(page, owner, staff, stranger, job):
    url = f"/jobs/{job.pk}/{page}"
    assert Client().get(url).headers["Location"].startswith("/accounts/login/")
    assert get(owner, url).status_code == get(staff, url).status_code == 200
    assert get(stranger, url).status_code == 404


def test_a_profile_may_have_a_name_in_any_script(owner, job):
    profile = DeidProfileFactory(name="Łódź 研究 <b>&amp;")
    SelectiveTransferJob.objects.filter(pk=job.pk).update(profile=profile)
    answer = get(owner, f"/jobs/{job.pk}/report.pdf")
    assert answer.content.startswith(b"%PDF")
    assert b"/HeiseiKakuGo-W5" in answer.content and b"Vera" in answer.content


@pytest.mark.parametrize("name", ["Łódź 研究 <b>&amp;", "Исследование", "연구 α", "מחקר", "Größe"])
def test_every_character_of_the_pdf_has_a_font_that_draws_it(name):
    line = _line(name)
    shown = "".join(frag.text for frag in line.frags)
    assert shown == name or "[U+" in shown
    for frag in line.frags:
        font = pdfmetrics.getFont(frag.fontName)
        drawn = font.face.charToGlyph if isinstance(font, TTFont) else None
        one_of_asia = isinstance(font, UnicodeCIDFont)
        assert one_of_asia or (drawn and all(ord(char) in drawn for char in frag.text))
