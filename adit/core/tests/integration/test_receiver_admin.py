import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone

from adit.audit.models import AuditEntry
from adit.core.factories import DicomServerFactory, UserFactory
from adit.core.models import (
    DicomJob,
    DicomNode,
    DicomTask,
    ReceivedInstance,
    RefusedSender,
    SeriesTransfer,
)
from adit.core.quarantine import discard_instances, hand_over_instances

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

URL = "admin:core_receivedinstance_changelist"


@pytest.fixture
def superuser(client):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


@pytest.fixture
def quarantined():
    return [
        ReceivedInstance.objects.create(
            receiver="first",
            path=f"{number}.dcm",
            sop_instance_uid=f"1.2.3.{number}",
            study_instance_uid="1.2.3",
            series_instance_uid="1.2.3.9",
            calling_ae_title="STRANGER",
            size=1_500_000,
            sha256="",
            quarantined_at=timezone.now(),
        )
        for number in range(3)
    ]


def test_the_quarantine_is_counted_per_receiver_and_sender(client, superuser, quarantined):
    page = client.get(reverse(URL)).content.decode()
    assert "3 instances (4.5 MB) from STRANGER lie in quarantine at first." in page
    assert "1.2.3" not in page


def test_deleting_lets_the_receiver_delete_and_is_on_record(client, superuser, quarantined):
    ids = [row.pk for row in quarantined[:2]]
    client.post(reverse(URL), {"action": "discard", "_selected_action": ids})
    assert ReceivedInstance.objects.filter(discarded=True).count() == 2
    assert AuditEntry.objects.filter(action="quarantine.discard", user=superuser).count() == 2


def test_handing_over_lets_the_failed_task_try_again(client, superuser, quarantined):
    job = DicomJob.objects.create(kind="selective_transfer", owner=superuser, state="FAILURE")
    source = DicomNode.objects.get(pk=DicomServerFactory().pk)
    task = DicomTask.objects.create(job=job, source=source, state="FAILURE")
    SeriesTransfer.objects.create(task=task, series_instance_uid="1.2.3.9")
    ids = [row.pk for row in quarantined]
    client.post(reverse(URL), {"action": "hand_over", "_selected_action": ids})
    assert not ReceivedInstance.objects.exclude(quarantined_at=None).exists()
    task.refresh_from_db()
    assert task.state == "PENDING"
    assert AuditEntry.objects.filter(action="quarantine.hand_over").count() == 3


def test_what_a_task_is_taking_over_is_left_alone(superuser, quarantined):
    ReceivedInstance.objects.update(claimed_by="00000000-0000-0000-0000-000000000009")
    ids = [row.pk for row in quarantined]
    assert discard_instances(superuser, ids) == 0
    assert hand_over_instances(superuser, ids) == (0, 0)


def test_staff_without_permission_may_not(quarantined):
    staff = UserFactory(is_staff=True)
    for action in (discard_instances, hand_over_instances):
        with pytest.raises(PermissionDenied):
            action(staff, [quarantined[0].pk])


def test_refused_senders_are_listed(client, superuser):
    RefusedSender.objects.create(
        receiver="first",
        reason="calling",
        address="192.0.2.1",
        calling_ae_title="STRANGER",
        count=7,
        last=timezone.now(),
    )
    page = client.get(reverse("admin:core_refusedsender_changelist")).content.decode()
    assert "AE title not configured" in page and "192.0.2.1" in page
