"""What leads from a pseudonym back to the patient: for the owner, and for who has the right."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from adit.core.factories import UserFactory
from adit.core.models import DicomJob, SeriesTransfer, TaskEvent
from adit.core.pages.fragments import read_job, read_task
from adit.core.pages.source_view import HIDDEN, without_source

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

TABLE = {"HX-Request": "true", "HX-Target": "tasks"}
PATIENT, STUDY, SERIES = "MRN-77411", "1.2.276.0.50.192168001099.7810872", "1.3.12.2.1107.5.1.4.9"
TEXT = f"The source knows no patient mrn-77411 with study {STUDY}"
SECRETS = (PATIENT.lower(), STUDY, SERIES, "knee after fall", "scout of mrs x", "1999-12-31")


def logged_in(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def reader(staff):
    """Staff who may see the source."""
    name = "view_identifiers_in_receipts"
    staff.user_permissions.add(Permission.objects.get(codename=name))
    return staff


@pytest.fixture
def job(owner, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE"])
    job.tasks.update(message=TEXT, log=f"{TEXT} {SERIES}")
    task = job.tasks.get().selectivetransfertask
    task.patient_id, task.study_instance_uid = PATIENT, STUDY
    task.series_instance_uids, task.study_date = [SERIES], "1999-12-31"
    task.study_description = "Knee after fall"
    task.save()
    TaskEvent.objects.create(task=task, text=TEXT)
    SeriesTransfer.objects.create(
        task=task,
        series_instance_uid=SERIES,
        description="Scout of Mrs X",
        state="FAILURE",
        expected=1,
        reason=TEXT[:255],
    )
    return job


def secrets_in(text):
    return [secret for secret in SECRETS if secret in text.lower()]


def pages_of(job):
    task = job.tasks.get()
    yield reverse("core:job_detail", args=[job.pk])
    yield f"{reverse('core:job_live', args=[job.pk])}?tasks={task.pk}"
    yield reverse("core:task_detail", args=[task.pk])
    yield reverse("core:task_live", args=[task.pk])
    yield reverse("core:job_receipt", args=[job.pk])
    yield reverse("core:job_receipt_json", args=[job.pk])
    yield reverse("core:job_receipt_csv", args=[job.pk])
    yield f"{reverse('core:task_receipt', args=[task.pk])}?instances=1"
    yield reverse("core:task_receipt_json", args=[task.pk])
    yield reverse("core:job_report", args=[job.pk])
    yield reverse("core:job_list")
    yield reverse("core:home")
    yield f"/api/v1/jobs/{job.pk}/tasks/"


def body_of(response):
    content = response.getvalue() if response.streaming else response.content
    return content.decode()


def test_staff_without_the_right_sees_nothing_of_the_source_on_any_page(staff, job):
    client = logged_in(staff)
    for url in pages_of(job):
        response = client.get(url)
        assert response.status_code == 200, url
        assert secrets_in(body_of(response)) == [], url
    for form in ("csv",):
        response = client.post(reverse("core:task_export", args=[job.pk, form]))
        assert secrets_in(body_of(response)) == []


def test_staff_still_sees_the_pseudonym_and_that_something_is_hidden(staff, job):
    text = logged_in(staff).get(job.tasks.get().get_absolute_url()).content.decode()
    assert "ABC" in text
    assert HIDDEN in text
    assert "Hidden behind the pseudonym" in text


def test_the_owner_sees_what_he_entered_and_staff_with_the_right_too(owner, reader, job):
    for user in (owner, reader):
        page = logged_in(user).get(job.tasks.get().get_absolute_url()).content.decode()
        assert PATIENT in page
        assert STUDY in page
        assert PATIENT in logged_in(user).get(job.get_absolute_url()).content.decode()


def test_what_has_no_pseudonym_is_shown_to_staff(staff, job):
    task = job.tasks.get().selectivetransfertask
    task.pseudonym = ""
    task.save()
    assert PATIENT in logged_in(staff).get(job.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    "search",
    [PATIENT, PATIENT[:5], STUDY, STUDY[:8], "Knee", "patient mrn-77411", "study 1.2.276.0", TEXT],
)
def test_a_search_tells_nobody_what_he_may_not_see(search, owner, staff, job):
    def hits(user):
        client = logged_in(user)
        response = client.post(job.get_absolute_url(), {"search": search}, headers=TABLE)
        export = client.post(
            reverse("core:task_export", args=[job.pk, "csv"]), {"search": search}
        ).content.decode()
        return len(response.context["page"]), len(export.splitlines()) - 1

    assert hits(staff) == (0, 0)
    assert hits(owner) == (1, 1)


def test_a_bulk_action_on_a_search_tells_it_neither(staff, job):
    url = reverse("core:bulk_action", args=[job.pk, "reset"])
    data = {"every": "1", "search": PATIENT}
    assert logged_in(staff).post(url, data, headers=TABLE).status_code == 409
    assert job.tasks.get().state == "FAILURE"


def test_the_list_of_jobs_finds_by_patient_id_for_who_may_see_it(owner, staff, stranger, job):
    def found(user):
        client = logged_in(user)
        client.post(reverse("core:job_list"), {"search": PATIENT})
        return [j.pk for j in client.get(reverse("core:job_list")).context["jobs"]]

    assert found(owner) == [job.pk]
    assert found(staff) == []
    assert found(stranger) == []
    name = "view_identifiers_in_receipts"
    staff.user_permissions.add(Permission.objects.get(codename=name))
    assert found(staff) == [job.pk]


def test_a_search_for_other_words_of_a_message_still_finds_it(staff, job):
    job.tasks.update(message="The source timed out")
    response = logged_in(staff).post(job.get_absolute_url(), {"search": "timed out"}, headers=TABLE)
    assert len(response.context["page"]) == 1


@pytest.mark.parametrize("owner_first", [True, False])
def test_one_reading_shows_each_watcher_what_he_may_see(owner_first, owner, staff, job):
    """The live parts are read once for all: none gets what was rendered for another."""
    task = job.tasks.get()
    found = DicomJob.objects.select_related("owner").get(pk=job.pk)
    rows = [task.selectivetransfertask]
    readings = [read_job(found, rows), read_task(task.pk, job.kind)]
    shown = {}
    for user in (owner, staff) if owner_first else (staff, owner):
        job_parts = readings[0].fragments(user, [task.pk])
        task_parts = readings[1].fragments(user)
        shown[user.pk] = "".join([*job_parts.values(), *task_parts.values()])
    assert PATIENT in shown[owner.pk]
    assert secrets_in(shown[staff.pk]) == []


def test_the_admin_shows_and_finds_it_with_the_right_only(staff, job):
    for name in ("view_selectivetransfertask", "view_seriestransfer", "view_taskevent"):
        staff.user_permissions.add(Permission.objects.get(codename=name))
    task = job.tasks.get()
    series = SeriesTransfer.objects.get()
    address = "admin:selective_transfer_selectivetransfertask_change"
    pages = [
        reverse(address, args=[task.pk]),
        reverse("admin:core_seriestransfer_change", args=[series.pk]),
    ]
    for url in pages:
        text = logged_in(staff).get(url).content.decode().lower()
        assert SERIES not in text
        assert "knee after fall" not in text
    search = f"{reverse('admin:core_seriestransfer_changelist')}?q={SERIES}"
    assert "1 series transfer" not in logged_in(staff).get(search).content.decode()
    staff.user_permissions.add(Permission.objects.get(codename="view_identifiers_in_receipts"))
    assert "1 series transfer" in logged_in(staff).get(search).content.decode()
    assert "Knee after fall" in logged_in(staff).get(pages[0]).content.decode()


class _Task:
    patient_id = "12"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12 of 12 instances", "12 of 12 instances"),
        ("SOP class 1.2.840.10008.5.1.4.1.1.2", "SOP class 1.2.840.10008.5.1.4.1.1.2"),
        ("at 192.168.1.20:104", "at 192.168.1.20:104"),
        ("study 1.2.3.4.5.6.7 is gone", f"study {HIDDEN} is gone"),
    ],
)
def test_words_that_tell_nothing_stay(text, shown):
    assert without_source(text, _Task()) == shown


def test_the_admin_and_the_page_of_held_instances_show_no_message_that_quotes(staff, job):
    staff.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    right = Permission.objects.get(codename="view_identifiers_in_receipts")
    staff.user_permissions.remove(right)
    task, event = job.tasks.get(), TaskEvent.objects.get()
    places = [
        ("core_dicomtask", task.pk),
        ("core_taskevent", event.pk),
        ("selective_transfer_selectivetransfertask", task.pk),
    ]
    urls = [reverse(f"admin:{name}_changelist") for name, _ in places]
    urls += [reverse(f"admin:{name}_change", args=[pk]) for name, pk in places]
    urls.append(reverse("core:held_series", args=[SeriesTransfer.objects.get().pk]))
    for sees in (False, True):
        if sees:
            staff.user_permissions.add(right)
        for url in urls:
            response = logged_in(staff).get(url)
            assert response.status_code == 200, url
            text = body_of(response).lower()
            assert (PATIENT.lower() in text) is sees, url


def test_the_history_of_a_task_cannot_be_deleted_in_the_admin(job):
    event = TaskEvent.objects.get()
    client = logged_in(UserFactory(is_staff=True, is_superuser=True))
    assert client.post(reverse("admin:core_taskevent_delete", args=[event.pk])).status_code == 403
    choice = {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
    client.post(reverse("admin:core_taskevent_changelist"), choice)
    assert TaskEvent.objects.filter(pk=event.pk).exists()


@pytest.mark.parametrize("text", ["at 77411AB_1.dcm", "of X77411AB9", "_77411ab", "77411AB-2"])
def test_an_id_is_hidden_between_letters_and_digits_too(job, text):
    task = job.tasks.get().selectivetransfertask
    task.patient_id = "77411AB"
    assert "77411ab" not in without_source(text, task).lower()
    task.patient_id = "774"
    assert without_source("line 17745", task) == "line 17745"
    assert "774" not in without_source("in 774_1.dcm", task)
