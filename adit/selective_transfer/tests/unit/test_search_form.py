"""What may be searched for."""

from datetime import date

import pytest

from adit.core.dicom import DateRange
from adit.core.factories import DicomFolderFactory, DicomServerFactory, UserFactory, grant_access
from adit.selective_transfer.search_form import SearchForm

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def form():
    user = UserFactory()
    server = DicomServerFactory()
    grant_access(user.active_group, server, source=True)
    return lambda **fields: SearchForm(user, {"source": server.pk, **fields})


def test_a_criterion_is_needed(form):
    for fields in (
        {},
        {"patient_id": " "},
        {"patient_name": "*"},
        {"patient_name": ",,,"},
        {"study_description": "**?"},
    ):
        (error,) = form(**fields).errors["__all__"]
        assert error.startswith("Give at least one criterion")


@pytest.mark.parametrize(
    "fields",
    [
        {"patient_id": "1"},
        {"modalities": ["CT"]},
        {"birth_date": "1958-03-14"},
        {"study_date_until": "2020-01-01"},
    ],
)
def test_any_criterion_will_do(form, fields):
    assert form(**fields).is_valid()


def test_the_query_is_what_was_meant(form):
    search = form(
        patient_name="Müller",
        birth_date="1958-03-14",
        study_date_from="2023-01-01",
        modalities=["CT", "MR"],
        study_description="Schädel",
    )
    assert search.is_valid()
    query = search.query()
    assert query.patient_name == "Müller*"
    assert query.patient_birth_date == date(1958, 3, 14)
    assert query.study_date == DateRange(date(2023, 1, 1), None)
    assert query.modalities == ("CT", "MR")
    assert query.study_description == "*Schädel*"


def test_names_with_comma_or_wildcard_stay_as_they_are(form):
    for name in ("Müller, Jörg", "M*", "M?ller"):
        search = form(patient_name=name)
        assert search.is_valid() and search.query().patient_name == name


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"birth_date": "01/02/2020"}, "birth_date"),
        ({"patient_id": "a\\b"}, "patient_id"),
        ({"patient_id": "x" * 65}, "patient_id"),
        ({"modalities": ["../"]}, "modalities"),
        ({"study_date_from": "2024-01-02", "study_date_until": "2024-01-01"}, "study_date_until"),
    ],
)
def test_nonsense_is_refused_at_its_field(form, fields, field):
    assert field in form(**fields).errors


def test_only_servers_that_the_active_group_may_read(form):
    other = DicomServerFactory()
    assert "source" in form(source=other.pk, patient_id="1").errors
    user = UserFactory()
    folder = DicomFolderFactory()
    grant_access(user.active_group, folder, source=True)
    assert "source" in SearchForm(user, {"source": folder.pk, "patient_id": "1"}).errors
