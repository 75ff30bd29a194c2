"""Two servers that nobody could tell apart when they send are not configured."""

import pytest
from django.core.exceptions import ValidationError

from adit.core.factories import DicomServerFactory

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

NO_MOVE = {"study_root_move_support": False, "patient_root_move_support": False}


def test_a_second_server_of_the_same_title_and_host_is_refused_with_the_reason():
    DicomServerFactory(name="First", ae_title="PACS", host="pacs.example.org")
    second = DicomServerFactory(ae_title="PACS", host="PACS.example.org", port=105)
    with pytest.raises(ValidationError, match="First has the same AE title at the same host"):
        second.full_clean()


@pytest.mark.parametrize(
    "changes",
    [
        {"ae_title": "OTHER"},
        {"host": "other.example.org"},
        {"is_active": False},
        NO_MOVE,
    ],
    ids=["title", "host", "inactive", "sends nothing"],
)
@pytest.mark.parametrize("which", ["first", "second"])
def test_others_are_taken(changes, which):
    same = {"ae_title": "PACS", "host": "pacs.example.org"}
    DicomServerFactory(**(same | (changes if which == "first" else {})))
    second = DicomServerFactory(**(same | (changes if which == "second" else {})))
    second.full_clean()


def test_a_server_is_no_second_one_of_itself():
    server = DicomServerFactory()
    server.full_clean()
