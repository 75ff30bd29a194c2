"""A preview of a large object: some of its attributes, all of the counts."""

import csv
import html
import io
import re

import pydicom
import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pydicom.data import get_testdata_file

from adit.core.factories import UserFactory
from adit.core.models import DeidProfile

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture
def tried(db):
    """Tries the default profile on the large object."""
    user = UserFactory()
    user.user_permissions.add(Permission.objects.get(codename="manage_profiles"))
    client = Client()
    client.force_login(user)
    profile = DeidProfile.objects.get(name="Standard research")

    def post(**changes):
        file = io.BytesIO(large_object())
        file.name = "large.dcm"
        data = {"file": file, "pseudonym": "A", **changes}
        return client.post(f"/profiles/{profile.pk}/try/", data)

    return post


def large_object() -> bytes:
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.add_new(0x00090010, "LO", "MAKER 1")
    dataset.PatientComments = "=1+1"
    for number in range(5000):
        block = number // 200
        dataset.add_new(0x00110010 + block, "LO", f"MAKER {block}")
        dataset.add_new(0x00110000 + ((0x10 + block) << 8) + number % 200, "LO", f"Value {number}")
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def test_a_page_shows_a_thousand_attributes_of_a_large_object_and_counts_them_all(tried):
    response = tried()

    preview = response.context["trial"].preview
    kept = {row.row.keyword for row in preview.rows}
    assert len(preview.rows) == 1000 and preview.total > 5000
    assert {"PatientID", "StudyInstanceUID", "PixelSpacing"} <= kept
    assert sum(count.total for count in preview.rules) == preview.total
    assert sum(number for _, _, number in preview.counts) == preview.total
    assert len(response.content) < 1_500_000
    text = html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode()))
    assert f"1000 of {preview.total} attributes are shown" in text


def test_the_whole_comparison_is_downloaded(tried):
    response = tried(**{"as": "csv"})
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert len(rows) > 5000
    named = {row["keyword"]: row for row in rows}
    assert named["PatientID"]["after"] == "A"
    assert named["PatientComments"]["before"] == "'=1+1"
