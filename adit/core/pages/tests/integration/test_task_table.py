"""The table of a job's tasks: searches without a trace in addresses, and files of it."""

import csv
import io

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from adit.audit.models import AuditEntry
from adit.core.models import DicomJob, DicomTask
from adit.core.pages.task_table import add_notes

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

TABLE = {"HX-Request": "true", "HX-Target": "tasks"}


@pytest.fixture
def client(owner):
    client = Client()
    client.force_login(owner)
    return client


def lines(response):
    return [task.line for task in response.context["page"]]


def test_a_search_stays_over_a_reload_and_out_of_the_address(client, owner, make_job):
    job = make_job(owner, "SUCCESS", ["SUCCESS"] * 12)
    response = client.post(job.get_absolute_url(), {"search": "PID12"}, headers=TABLE)
    assert lines(response) == [12]
    assert "PID12" not in response["HX-Replace-Url"]
    assert lines(client.get(job.get_absolute_url())) == [12]
    assert len(lines(client.get(f"{job.get_absolute_url()}?all=1"))) == 12
    assert len(lines(client.get(job.get_absolute_url()))) == 12


def test_a_search_counts_for_its_own_job_only(client, owner, make_job):
    job, other = make_job(owner), make_job(owner)
    client.post(job.get_absolute_url(), {"search": "nothing"}, headers=TABLE)
    assert lines(client.get(other.get_absolute_url())) == [1]


def test_the_address_keeps_the_place(client, owner, make_job):
    job = make_job(owner, "SUCCESS", ["SUCCESS"] * 60)
    data = {"state": "SUCCESS", "sort": "-line", "page": "2"}
    response = client.post(job.get_absolute_url(), data, headers=TABLE)
    assert lines(response) == list(range(10, 0, -1))
    assert lines(client.get(response["HX-Replace-Url"])) == list(range(10, 0, -1))


@pytest.mark.parametrize(
    ("search", "found"),
    [("PID2", [2]), ("1.2.3", [3]), ("PSEUDO", [1, 2, 3]), ("3", [3]), ("timed out", [1])],
)
def test_a_search_looks_at_row_patient_study_pseudonym_and_message(
    client, owner, make_job, search, found
):
    job = make_job(owner, "FAILURE", ["FAILURE"] * 3, pseudonym="PSEUDO")
    job.tasks.filter(line=1).update(message="The source timed out")
    response = client.post(job.get_absolute_url(), {"search": search}, headers=TABLE)
    assert set(found) <= set(lines(response))
    if search != "3":
        assert lines(response) == found


def test_unknown_parameters_reach_no_filter(client, owner, make_job):
    job = make_job(owner)
    for query in ("?state=x&sort=job__owner__password", "?patient_id=2", "?page=x", "?page=-1"):
        assert lines(client.get(job.get_absolute_url() + query)) == [1]


def test_who_opens_the_address_of_an_export_is_led_to_the_job(client, owner, make_job):
    job = make_job(owner)
    client.force_login(owner)
    response = client.get(reverse("core:task_export", args=[job.pk, "csv"]))
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "Export the table on the page of the job." in response.content.decode()
    assert f'href="{job.get_absolute_url()}"' in response.content.decode()
    assert not AuditEntry.objects.filter(action="job.export").exists()


def export(client, job, form, **data):
    return client.post(reverse("core:task_export", args=[job.pk, form]), data)


def sheet_of(response):
    return load_workbook(io.BytesIO(response.content)).worksheets[0]


def rows_of(response):
    if "csv" in response["Content-Type"]:
        return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    head, *rows = sheet_of(response).iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_the_table_is_exported_as_filtered(client, owner, make_job, form):
    job = make_job(owner, "FAILURE", ["SUCCESS", "FAILURE", "FAILURE"], pseudonym="")
    response = export(client, job, form, state="FAILURE")
    assert f'filename="job_{job.pk}_tasks.{form}"' in response["Content-Disposition"]
    rows = rows_of(response)
    assert [str(row["row"]) for row in rows] == ["2", "3"]
    assert [row["patient_id"] for row in rows] == ["PID2", "PID3"]
    assert str(rows[0]["instances_expected"]) == "3"
    entry = AuditEntry.objects.get(action="job.export")
    assert entry.outcome == f"2 tasks as {form}"


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_identifiers_of_the_source_are_exported_with_the_permission_only(
    client, owner, make_job, form
):
    job = make_job(owner, "SUCCESS", ["SUCCESS"], pseudonym="PSEUDO")
    (row,) = rows_of(export(client, job, form))
    assert row["pseudonym"] == "PSEUDO"
    assert not any(row[name] for name in ("patient_id", "study_instance_uid", "study_date"))
    owner.user_permissions.add(Permission.objects.get(codename="view_identifiers_in_receipts"))
    (row,) = rows_of(export(client, job, form))
    assert row["patient_id"] == "PID1"


@pytest.mark.parametrize("first", "=+-@\t")
def test_what_looks_like_a_formula_stays_text(client, owner, make_job, first):
    text = f"{first}1+1"
    job = make_job(owner, "FAILURE", ["FAILURE"])
    job.tasks.update(message=text)
    (row,) = rows_of(export(client, job, "csv"))
    assert row["message"] == f"'{text}"
    sheet = sheet_of(export(client, job, "xlsx"))
    (cell,) = [c for row in sheet.iter_rows() for c in row if c.value == text]
    assert cell.data_type == "s"
    assert cell.quotePrefix


def test_control_characters_break_no_sheet(client, owner, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE"])
    job.tasks.update(message="a\x07b\ufffe")
    assert rows_of(export(client, job, "xlsx"))[0]["message"] == "ab"


def test_an_export_is_a_post_of_who_sees_the_job(client, stranger, owner, make_job):
    job = make_job(owner)
    assert client.get(reverse("core:task_export", args=[job.pk, "csv"])).status_code == 405
    assert export(client, job, "exe").status_code == 404
    other = Client()
    other.force_login(stranger)
    assert export(other, job, "csv").status_code == 404
    assert not AuditEntry.objects.filter(action="job.export").exists()


@pytest.mark.parametrize("state", ["PENDING", "IN_PROGRESS", "SUCCESS"])
@pytest.mark.parametrize("tasks", [3, 120])
def test_the_page_takes_at_most_15_queries(
    client, owner, make_job, django_assert_max_num_queries, state, tasks
):
    job = make_job(owner, state, [state] * tasks)
    with django_assert_max_num_queries(15):
        assert client.get(job.get_absolute_url()).status_code == 200


def test_a_job_of_which_nothing_is_planned_says_so(client, owner, make_job):
    job = make_job(owner, "PENDING", ["PENDING", "PENDING"])
    job.tasks.update(instances_expected=0, instances_done=0)
    text = client.get(job.get_absolute_url()).content.decode()
    assert "Not planned yet" in text
    assert 'data-testid="instances-expected"' not in text


def test_why_a_task_waits_and_what_was_before_are_two_sentences(owner, make_job):
    job = make_job(owner, "IN_PROGRESS", ["PENDING"])
    DicomTask.objects.filter(job=job).update(message="Its worker broke off. It starts again.")
    tasks = list(DicomTask.objects.filter(job=job))
    add_notes(DicomJob.objects.get(pk=job.pk), tasks)
    assert tasks[0].note == (
        "waits for a worker: none is running. Its worker broke off. It starts again."
    )
