import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from procrastinate.contrib.django.models import ProcrastinateJob

from adit.core.jobs import leases
from adit.core.jobs.actions import retry_job, verify_job
from adit.core.jobs.mails import send_mail_about
from adit.core.jobs.queue import Mail
from adit.core.jobs.queue_tasks import send_job_mail

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


def send_queued_mails():
    """As the worker does it, later."""
    for row in ProcrastinateJob.objects.filter(queue_name="default").order_by("id"):
        send_job_mail(**row.args)


def test_a_mail_on_the_end_tells_of_the_end_that_it_is_about(owner, make_job, tasks_of):
    job = make_job(owner, 2, send_finished_mail=True)
    first, second = tasks_of(job)
    end(first, "SUCCESS")
    end(second, "FAILURE")
    retry_job(owner, job.pk)
    send_queued_mails()
    end(second, "SUCCESS")
    send_queued_mails()
    early, again, last = mail.outbox
    assert early.subject.endswith(f"Job {job.pk}: Failure")
    assert isinstance(early, EmailMultiAlternatives)
    for text in (early.body, str(early.alternatives[0][0])):
        assert "1 of 2 succeeded, 1 failed" in text
        assert "Since then it was started again." in text
    # What was sent while the job ran again is the same afterwards, but for that.
    assert again.subject == early.subject and "1 of 2 succeeded, 1 failed" in again.body
    assert last.subject.endswith(f"Job {job.pk}: Success")
    assert "2 of 2 succeeded" in last.body and "Since then" not in last.body


def test_a_mail_on_a_failure_tells_of_the_job_as_it_was(owner, make_job, tasks_of):
    job = make_job(owner, 2)
    end(tasks_of(job)[0], "FAILURE")
    end(tasks_of(job)[1], "SUCCESS")
    retry_job(owner, job.pk)
    send_queued_mails()
    (letter,) = mail.outbox
    assert "0 of 2 succeeded, 1 failed" in letter.body and "The other tasks go on." in letter.body


def test_staff_is_told_of_a_job_that_waits_for_verification(owner, staff, make_job):
    job = make_job(owner, verified=False)
    assert queued_mails() == ["unverified"]
    send_mail_about(Mail.UNVERIFIED, job.pk, "UNVERIFIED")
    (message,) = mail.outbox
    assert (message.to, message.bcc) == ([], [staff.email])


def test_a_job_that_was_verified_meanwhile_is_not_mailed(owner, staff, make_job):
    job = make_job(owner, verified=False)
    verify_job(staff, job.pk)
    send_mail_about(Mail.UNVERIFIED, job.pk, "UNVERIFIED")
    assert mail.outbox == []


@pytest.mark.parametrize("which", list(Mail))
def test_a_mail_has_the_link_in_text_and_html_and_no_identifier(
    which, owner, staff, make_job, tasks_of
):
    job = make_job(owner, verified=which is not Mail.UNVERIFIED)
    send_mail_about(which, job.pk, job.state, "0 of 1 succeeded")
    (message,) = mail.outbox
    assert isinstance(message, EmailMultiAlternatives)
    html = str(message.alternatives[0][0])
    for text in (message.body, html):
        assert job.get_absolute_url() in text
        assert "P0" not in text and "1.2.0" not in text
    assert f"Job {job.pk}" in message.subject


def test_an_owner_without_an_address_is_no_error(make_user, make_job):
    job = make_job(make_user(email=""))
    send_mail_about(Mail.FINISHED, job.pk, "SUCCESS")
    assert mail.outbox == []


def test_a_job_that_is_gone_is_no_error():
    send_mail_about(Mail.FINISHED, 10**9, "SUCCESS")
    assert mail.outbox == []
