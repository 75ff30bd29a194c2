"""The API as a program sees it, as each role."""

from base64 import b64encode
from urllib.parse import quote

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from adit.audit.models import AuditEntry
from adit.core.jobs.actions import JOB_ACTIONS, TASK_ACTIONS
from adit.core.models import DicomJob, DicomTask

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

PROBLEM = "application/problem+json"


def client_of(user):
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def get(user, path):
    return client_of(user).get(f"/api/v1/{path}")


def post(user, path, data=None):
    return client_of(user).post(f"/api/v1/{path}", data or {}, content_type="application/json")


def assert_problem(response, status, code, *words):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == PROBLEM
    body = response.json()
    assert (body["status"], body["code"]) == (status, code)
    for word in words:
        assert word in body["detail"]


def test_a_user_lists_own_jobs_and_staff_all(owner, stranger, staff, make_job):
    job = make_job(owner, "IN_PROGRESS", ["SUCCESS", "IN_PROGRESS"])
    (entry,) = get(owner, "jobs/").json()["results"]
    assert entry["id"] == job.pk
    assert entry["owner"] == owner.username
    assert entry["progress"]["tasks_by_state"] == {"SUCCESS": 1, "IN_PROGRESS": 1}
    assert get(stranger, "jobs/").json()["results"] == []
    assert len(get(staff, "jobs/").json()["results"]) == 1
    assert get(staff, "jobs/?own=true").json()["results"] == []


def test_jobs_are_filtered_by_kind_and_state(owner, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE"])
    make_job(owner)
    found = get(owner, "jobs/?state=FAILURE&kind=selective_transfer").json()["results"]
    assert [entry["id"] for entry in found] == [job.pk]


@pytest.mark.parametrize("query", ["state=ENDED", "kind=x", "own=perhaps"])
def test_a_filter_that_makes_no_sense_is_refused(owner, query):
    assert_problem(get(owner, f"jobs/?{query}"), 400, "invalid", "Not one of")


@pytest.mark.parametrize("what", ["jobs/", "jobs/{}/tasks/"])
def test_unknown_parameters_are_refused_and_reach_no_filter(owner, make_job, what):
    path = what.format(make_job(owner).pk)
    for name in ("foo", "owner__password__startswith", "id__in"):
        answer = get(owner, f"{path}?{name}=1")
        assert_problem(answer, 400, "invalid", f"{name}: No such parameter; there are ")


@pytest.mark.parametrize("limit", ["-1", "0", "501", "ten", "", "1.5", "9" * 40])
@pytest.mark.parametrize("what", ["jobs/", "jobs/{}/tasks/"])
def test_a_limit_that_is_none_is_refused(owner, make_job, what, limit):
    path = what.format(make_job(owner).pk)
    assert_problem(get(owner, f"{path}?limit={limit}"), 400, "invalid", "from 1 to 500")


def test_pages_follow_each_other_by_cursor(owner, make_job):
    jobs = [make_job(owner).pk for _ in range(5)]
    client, url, seen = client_of(owner), "/api/v1/jobs/?limit=2", []
    while url:
        body = client.get(url).json()
        seen += [entry["id"] for entry in body["results"]]
        url = body["next"]
    assert seen == jobs[::-1]


@pytest.mark.parametrize("place", ["p=%00", "p=x", "p=-1", f"p={'9' * 40}", "p=%C2%B2", "o=-1"])
@pytest.mark.parametrize("what", ["jobs/", "jobs/{}/tasks/"])
def test_a_cursor_that_was_never_given_is_refused(owner, make_job, place, what):
    cursor = b64encode(place.encode()).decode()
    path = what.format(make_job(owner).pk)
    for wrong in (quote(cursor), "xx"):
        answer = get(owner, f"{path}?cursor={wrong}")
        assert_problem(answer, 400, "invalid", "cursor: Not one that")


def test_a_job_tells_why_it_waits_and_what_can_be_done(owner, make_job):
    body = get(owner, f"jobs/{make_job(owner).pk}/").json()
    assert len(body["waiting"]) == 1
    assert body["actions"] == ["cancel", "delete"]


def test_tasks_come_in_their_order_with_their_reason(owner, make_job):
    job = make_job(owner, "IN_PROGRESS", ["SUCCESS", "PENDING"])
    first, second = get(owner, f"jobs/{job.pk}/tasks/").json()["results"]
    assert (first["line"], first["waiting"], first["actions"]) == (1, "", ["reset"])
    assert second["waiting"]
    assert second["actions"] == ["delete"]
    only = get(owner, f"jobs/{job.pk}/tasks/?state=PENDING").json()["results"]
    assert [entry["line"] for entry in only] == [2]


def test_identifiers_of_the_source_need_a_permission(owner, staff, make_job):
    hidden, plain = make_job(owner), make_job(owner, pseudonym="")
    assert get(owner, f"jobs/{hidden.pk}/tasks/").json()["results"][0]["patient_id"] is None
    assert get(owner, f"jobs/{plain.pk}/tasks/").json()["results"][0]["patient_id"] == "PID1"
    staff.is_superuser = True
    staff.save()
    assert get(staff, f"jobs/{hidden.pk}/tasks/").json()["results"][0]["patient_id"] == "PID1"


# The state of a job with its tasks in which each action fits.
FITS = {
    "verify": ("UNVERIFIED", ["PENDING"]),
    "cancel": ("IN_PROGRESS", ["IN_PROGRESS", "PENDING"]),
    "resume": ("CANCELED", ["CANCELED"]),
    "retry": ("FAILURE", ["FAILURE"]),
    "retry_warned": ("FAILURE", ["FAILURE", "WARNING"]),
    "restart": ("SUCCESS", ["SUCCESS"]),
    "set_urgent": ("PENDING", ["PENDING"]),
    "unset_urgent": ("PENDING", ["PENDING"]),
    "delete": ("PENDING", ["PENDING"]),
}
TASK_FITS = {"reset": "FAILURE", "kill": "IN_PROGRESS", "delete": "PENDING"}


@pytest.fixture
def admin(staff):
    staff.is_superuser = True
    staff.save()
    return staff


@pytest.mark.parametrize("name", list(JOB_ACTIONS))
def test_every_action_on_jobs_is_done_once_and_then_conflicts(name, owner, admin, make_job):
    state, tasks = FITS[name]
    job = make_job(owner, state, tasks)
    DicomJob.objects.filter(pk=job.pk).update(urgent=name == "unset_urgent")
    response = post(admin, f"jobs/{job.pk}/actions/{name}/")
    assert response.status_code == 200, response.content
    assert response.json()["outcome"]
    assert AuditEntry.objects.filter(action=f"job.{name}", object_id=str(job.pk)).exists()
    again = post(admin, f"jobs/{job.pk}/actions/{name}/")
    if name == "delete":
        assert_problem(again, 404, "not_found")
    else:
        assert_problem(again, 409, "conflict", f"job {job.pk}")


@pytest.mark.parametrize("name", list(TASK_ACTIONS))
def test_every_action_on_tasks_is_done_once_and_then_conflicts(name, owner, admin, make_job):
    job = make_job(owner, "IN_PROGRESS", [TASK_FITS[name], "PENDING"])
    task = job.tasks.get(line=1)
    response = post(admin, f"tasks/{task.pk}/actions/{name}/")
    assert response.status_code == 200, response.content
    again = post(admin, f"tasks/{task.pk}/actions/{name}/")
    if name == "delete":
        assert_problem(again, 404, "not_found")
    else:
        assert_problem(again, 409, "conflict", f"task 1 of job {job.pk}: ")


@pytest.mark.parametrize("path", ["jobs/{job}/actions/cancel/", "tasks/{task}/actions/reset/"])
def test_what_belongs_to_somebody_else_does_not_exist(path, owner, stranger, make_job):
    job = make_job(owner)
    address = path.format(job=job.pk, task=job.tasks.get().pk)
    assert_problem(post(stranger, address), 404, "not_found")
    assert_problem(get(stranger, f"jobs/{job.pk}/"), 404, "not_found")
    assert_problem(get(stranger, f"jobs/{job.pk}/tasks/"), 404, "not_found")


def test_actions_of_staff_are_refused_to_owners(owner, make_job):
    job = make_job(owner, "IN_PROGRESS", ["IN_PROGRESS"])
    task = job.tasks.get()
    assert_problem(post(owner, f"jobs/{job.pk}/actions/restart/"), 403, "permission_denied")
    assert_problem(post(owner, f"tasks/{task.pk}/actions/kill/"), 403, "permission_denied")
    bulk = post(owner, f"jobs/{job.pk}/tasks/actions/kill/", {"tasks": [task.pk]})
    assert_problem(bulk, 403, "permission_denied")


def test_many_tasks_are_changed_and_the_others_named(owner, make_job):
    job, other = make_job(owner, "WARNING", ["WARNING", "SUCCESS", "PENDING"]), make_job(owner)
    one, two, three = job.tasks.order_by("line").values_list("pk", flat=True)
    foreign = other.tasks.get().pk
    tasks = {"tasks": [one, two, three, foreign]}
    body = post(owner, f"jobs/{job.pk}/tasks/actions/reset/", tasks).json()
    assert (body["done"], body["done_lines"]) == ([one, two], [1, 2])
    refused = [(entry["task"], entry["line"]) for entry in body["refused"]]
    assert refused == [(three, 3), (foreign, None)]
    assert "it is pending" in body["refused"][0]["reason"]
    assert set(job.tasks.values_list("state", flat=True)) == {"PENDING"}


def test_tasks_are_named_by_their_line_as_on_the_pages(owner, stranger, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE", "FAILURE", "SUCCESS"])
    other = make_job(stranger, "FAILURE", ["FAILURE"])
    task = get(owner, f"jobs/{job.pk}/tasks/2/").json()
    assert (task["line"], task["id"]) == (2, job.tasks.get(line=2).pk)
    done = post(owner, f"jobs/{job.pk}/tasks/2/actions/reset/").json()
    assert done["outcome"].startswith(f"Task 2 of job {job.pk} is reset")
    body = post(owner, f"jobs/{job.pk}/tasks/actions/reset/", {"lines": [1, 2, 9]}).json()
    assert body["done_lines"] == [1]
    assert [(entry["line"], entry["reason"]) for entry in body["refused"]] == [
        (2, f"Cannot reset task 2 of job {job.pk}: it is pending."),
        (9, f"There is no task 9 of job {job.pk}."),
    ]
    assert_problem(get(owner, f"jobs/{job.pk}/tasks/9/"), 404, "not_found")
    assert_problem(get(owner, f"jobs/{other.pk}/tasks/1/"), 404, "not_found")
    stolen = post(owner, f"jobs/{other.pk}/tasks/1/actions/reset/")
    assert_problem(stolen, 404, "not_found")


def test_all_tasks_in_a_state_are_changed(owner, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE", "FAILURE", "SUCCESS"])
    body = post(owner, f"jobs/{job.pk}/tasks/actions/reset/", {"state": "FAILURE"}).json()
    assert len(body["done"]) == 2
    again = post(owner, f"jobs/{job.pk}/tasks/actions/reset/", {"state": "FAILURE"})
    assert_problem(again, 409, "conflict", "There is no task to reset.")


def test_where_no_task_fits_the_answer_is_409_with_the_state(owner, make_job):
    job = make_job(owner, "PENDING", ["PENDING"])
    task = job.tasks.get()
    response = post(owner, f"jobs/{job.pk}/tasks/actions/reset/", {"tasks": [task.pk]})
    assert_problem(
        response, 409, "conflict", f"Cannot reset task 1 of job {job.pk}: it is pending."
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tasks": []},
        {"tasks": "1"},
        {"tasks": [1], "state": "FAILURE"},
        {"tasks": [1], "lines": [1]},
        {"lines": [0]},
        {"tasks": [2**70]},
        {"state": "x"},
        [1],
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(body, owner, make_job):
    response = post(owner, f"jobs/{make_job(owner).pk}/tasks/actions/reset/", body)
    assert_problem(response, 400, "invalid")


def test_what_is_no_json_is_refused(owner, make_job):
    response = client_of(owner).post(
        f"/api/v1/jobs/{make_job(owner).pk}/tasks/actions/reset/",
        "{",
        content_type="application/json",
    )
    assert_problem(response, 400, "parse_error")


def test_a_visitor_is_asked_to_log_in(owner, make_job):
    job = make_job(owner)
    for path in ("jobs/", f"jobs/{job.pk}/", f"jobs/{job.pk}/tasks/"):
        assert_problem(Client().get(f"/api/v1/{path}"), 401, "not_authenticated")
    response = Client().post(f"/api/v1/jobs/{job.pk}/actions/cancel/")
    assert_problem(response, 401, "not_authenticated")


def test_a_change_needs_the_csrf_token(owner, make_job):
    job = make_job(owner)
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    response = client.post(f"/api/v1/jobs/{job.pk}/actions/cancel/")
    assert_problem(response, 403, "permission_denied", "CSRF")
    assert DicomJob.objects.get(pk=job.pk).state == "PENDING"


@pytest.mark.parametrize(
    "path", ["nothing/", "jobs/9999/", "jobs/99999999999999999999/", "jobs/1/actions/explode/"]
)
def test_what_is_not_there_is_a_problem_too(path, owner):
    client = client_of(owner)
    answer = client.post if "actions" in path else client.get
    assert_problem(answer(f"/api/v1/{path}"), 404, "not_found")


def test_other_methods_are_refused(owner):
    assert_problem(client_of(owner).delete("/api/v1/jobs/"), 405, "method_not_allowed")


def test_a_failure_of_the_server_is_a_problem_without_details(owner, monkeypatch):
    def fail(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr("adit.api.views.with_progress", fail)
    response = get(owner, "jobs/")
    assert_problem(response, 500, "error")
    assert "secret" not in response.content.decode()


def test_the_number_of_queries_does_not_grow(owner, make_job, django_assert_max_num_queries):
    job = make_job(owner, "IN_PROGRESS", ["IN_PROGRESS", *["PENDING"] * 30])
    for _ in range(5):
        make_job(owner)
    client = client_of(owner)
    with django_assert_max_num_queries(5):
        client.get("/api/v1/jobs/")
    with django_assert_max_num_queries(12):
        client.get(f"/api/v1/jobs/{job.pk}/tasks/")


def test_the_schema_is_valid_openapi_and_names_every_operation(owner):
    schema = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(schema)
    assert len(schema["paths"]) == 9
    response = client_of(owner).get("/api/schema/")
    assert response.status_code == 200
    assert "openapi" in response["Content-Type"]


def test_the_page_for_people_tells_the_same_without_scripts(owner):
    response = client_of(owner).get("/api/")
    text = response.content.decode()
    assert "/api/v1/jobs/{job_id}/actions/{name}/" in text
    assert "unsafe" not in response["Content-Security-Policy"]
    assert Client().get("/api/").status_code == 302


def test_a_task_action_tells_the_state_afterwards(owner, make_job):
    job = make_job(owner, "FAILURE", ["FAILURE", "SUCCESS"])
    task = job.tasks.get(line=1)
    body = post(owner, f"tasks/{task.pk}/actions/reset/").json()
    assert body["state"] == DicomTask.State.PENDING
