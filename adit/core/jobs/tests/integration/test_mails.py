import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from procrastinate.contrib.django.models import ProcrastinateJob

from adit.core.jobs import leases
from adit.core.jobs.actions import retry_job, verify_job
from adit.core.jobs.mails import send_mail_about
from adit.core.jobs.queue import Mail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def end(task, state):
    lease = leases.claim(task.pk, "test")
    assert lease
    assert leases.finish(lease, state, "")


def queued_mails():
    rows = ProcrastinateJob.objects.filter(queue_name="default").order_by("id")
    return [row.args["mail"] for row in rows]


def test_the_first_failure_of_a_job_is_mailed_once(owner, make_job, tasks_of):
    job = make_job(owner, tasks=2)
    first, second = tasks_of(job)
    end(first, "FAILURE")
    assert queued_mails() == ["first_failure"]
    end(second, "FAILURE")
    retry_job(owner, job.pk)
    end(first, "FAILURE")
    assert queued_mails() == ["first_failure"]


def test_a_failure_that_ends_the_job_is_told_with_its_end_if_that_is_asked(
    owner, make_job, tasks_of
):
    job = make_job(owner, send_finished_mail=True)
    end(tasks_of(job)[0], "FAILURE")
    assert queued_mails() == ["finished"]


def test_nobody_is_told_of_a_success_that_nobody_asked_for(owner, make_job, tasks_of):
    end(tasks_of(make_job(owner))[0], "SUCCESS")
    assert queued_mails() == []


def test_staff_is_told_of_a_job_that_waits_for_verification(owner, staff, make_job):
    job = make_job(owner, verified=False)
    assert queued_mails() == ["unverified"]
    send_mail_about(Mail.UNVERIFIED, job.pk)
    (message,) = mail.outbox
    assert (message.to, message.bcc) == ([], [staff.email])


def test_a_job_that_was_verified_meanwhile_is_not_mailed(owner, staff, make_job):
    job = make_job(owner, verified=False)
    verify_job(staff, job.pk)
    send_mail_about(Mail.UNVERIFIED, job.pk)
    assert mail.outbox == []


@pytest.mark.parametrize("which", list(Mail))
def test_a_mail_has_the_link_in_text_and_html_and_no_identifier(
    which, owner, staff, make_job, tasks_of
):
    job = make_job(owner, verified=which is not Mail.UNVERIFIED)
    send_mail_about(which, job.pk)
    (message,) = mail.outbox
    assert isinstance(message, EmailMultiAlternatives)
    html = str(message.alternatives[0][0])
    for text in (message.body, html):
        assert job.get_absolute_url() in text
        assert "P0" not in text and "1.2.0" not in text
    assert f"Job {job.pk}" in message.subject


def test_an_owner_without_an_address_is_no_error(make_user, make_job):
    job = make_job(make_user(email=""))
    send_mail_about(Mail.FINISHED, job.pk)
    assert mail.outbox == []


def test_a_job_that_is_gone_is_no_error():
    send_mail_about(Mail.FINISHED, 10**9)
    assert mail.outbox == []
