"""Who may do what: every action by page, by API and by command, as everybody who might try."""

from dataclasses import dataclass
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client

from adit.audit.models import AuditEntry
from adit.core.jobs.actions import JOB_ACTIONS, TASK_ACTIONS
from adit.core.models import DicomJob, DicomTask

pytestmark = [pytest.mark.django_db, pytest.mark.integration]

OWNER_AND_STAFF = {"owner", "hurried owner", "staff"}


@dataclass(frozen=True)
class Case:
    """An action, the state in which it fits, who may do it, and the state afterwards."""

    state: str
    tasks: tuple[str, ...]
    who: set[str]
    after: str | None


JOB_CASES = {
    "verify": Case("UNVERIFIED", ("PENDING",), {"staff"}, "PENDING"),
    "cancel": Case("IN_PROGRESS", ("IN_PROGRESS", "PENDING"), OWNER_AND_STAFF, "CANCELING"),
    "resume": Case("CANCELED", ("CANCELED",), OWNER_AND_STAFF, "PENDING"),
    "retry": Case("FAILURE", ("FAILURE", "SUCCESS"), OWNER_AND_STAFF, "IN_PROGRESS"),
    "retry_warned": Case(
        "FAILURE", ("FAILURE", "WARNING", "SUCCESS"), OWNER_AND_STAFF, "IN_PROGRESS"
    ),
    "restart": Case("SUCCESS", ("SUCCESS",), {"staff"}, "PENDING"),
    "set_urgent": Case("PENDING", ("PENDING",), {"hurried owner", "staff"}, "PENDING"),
    "unset_urgent": Case("PENDING", ("PENDING",), {"hurried owner", "staff"}, "PENDING"),
    "delete": Case("PENDING", ("PENDING",), OWNER_AND_STAFF, None),
}
TASK_CASES = {
    "reset": Case("FAILURE", ("FAILURE", "SUCCESS"), OWNER_AND_STAFF, "PENDING"),
    "kill": Case("IN_PROGRESS", ("IN_PROGRESS", "PENDING"), {"staff"}, "FAILURE"),
    "delete": Case("IN_PROGRESS", ("PENDING", "SUCCESS"), OWNER_AND_STAFF, None),
}
NOBODY = "nobody"
WHO = ("owner", "hurried owner", "staff", "stranger", NOBODY)


@pytest.fixture
def people(owner, stranger, staff):
    hurried = type(owner).objects.create_user("hurried", active_group=owner.active_group)
    hurried.user_permissions.add(Permission.objects.get(codename="can_process_urgently"))
    return {"owner": owner, "hurried owner": hurried, "staff": staff, "stranger": stranger}


def client_of(user):
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    return client


def by_page(user, path):
    """The answer of the page: its status, 200 for a redirect to what has changed."""
    answer = client_of(user).post(path)
    if answer.status_code != 302:
        return answer.status_code
    return 403 if "login" in answer["Location"] else 200


def by_api(user, path):
    status = client_of(user).post(f"/api/v1{path}", content_type="application/json").status_code
    return 403 if status == 401 else status


def by_command(user, command, name, pk):
    if user is None:
        return 403
    try:
        call_command(command, name, pk, user=user.username, stdout=StringIO())
    except CommandError as error:
        return 404 if "There is no" in str(error) else 403
    return 200


@pytest.mark.parametrize("name", list(JOB_ACTIONS))
@pytest.mark.parametrize("way", ["page", "api", "command"])
def test_an_action_on_a_job_is_done_by_who_may_and_refused_to_all_others(
    name, way, people, make_job
):
    case = JOB_CASES[name]
    for who in WHO:
        job = make_job(
            people["hurried owner" if "hurried" in who else "owner"], case.state, case.tasks
        )
        DicomJob.objects.filter(pk=job.pk).update(urgent=name == "unset_urgent")
        user = people.get(who)
        if way == "page":
            status = by_page(user, f"/jobs/{job.pk}/action/{name}/")
        elif way == "api":
            status = by_api(user, f"/jobs/{job.pk}/actions/{name}/")
        else:
            status = by_command(user, "job_action", name, job.pk)
        row = DicomJob.objects.filter(pk=job.pk).first()
        entries = AuditEntry.objects.filter(action=f"job.{name}", object_id=str(job.pk))
        if who in case.who:
            assert (who, status, row and row.state) == (who, 200, case.after)
            assert [entry.user for entry in entries] == [user]
            assert "urgent" not in name or row.urgent == (name == "set_urgent")
        else:
            assert (who, status) == (who, 404 if who == "stranger" else 403)
            assert row.state == case.state
            assert not entries


@pytest.mark.parametrize("name", list(TASK_ACTIONS))
@pytest.mark.parametrize("way", ["page", "bulk page", "api", "bulk api", "command"])
def test_an_action_on_a_task_is_done_by_who_may_and_refused_to_all_others(
    name, way, people, make_job
):
    case = TASK_CASES[name]
    for who in WHO:
        job = make_job(
            people["hurried owner" if "hurried" in who else "owner"], case.state, case.tasks
        )
        task = job.tasks.order_by("line")[0]
        user = people.get(who)
        if way == "page":
            status = by_page(user, f"/tasks/{task.pk}/action/{name}/")
        elif way == "api":
            status = by_api(user, f"/tasks/{task.pk}/actions/{name}/")
        elif way == "command":
            status = by_command(user, "task_action", name, task.pk)
        else:
            status = in_bulk(way, user, job, task, name)
        row = DicomTask.objects.filter(pk=task.pk).first()
        entries = AuditEntry.objects.filter(action=f"task.{name}", object_id=str(task.pk))
        if who in case.who:
            assert (who, status, row and row.state) == (who, 200, case.after)
            assert [entry.user for entry in entries] == [user]
        else:
            assert (who, status) == (who, 404 if who == "stranger" else 403)
            assert row.state == case.tasks[0]
            assert not entries


def in_bulk(way, user, job, task, name):
    client = client_of(user)
    if way == "bulk page":
        answer = client.post(f"/jobs/{job.pk}/tasks/action/{name}/", {"task": task.pk})
        login = answer.status_code == 302 and "login" in answer["Location"]
        return 403 if login else 200 if answer.status_code == 302 else answer.status_code
    data = {"tasks": [task.pk]}
    path = f"/api/v1/jobs/{job.pk}/tasks/actions/{name}/"
    status = client.post(path, data, content_type="application/json").status_code
    return 403 if status == 401 else status
