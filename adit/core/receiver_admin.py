"""Django's admin for receivers: what lies in quarantine, and who was refused."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse

from adit.core.models import ReceivedInstance, ReceivedReport, Receiver, RefusedSender
from adit.core.quarantine import discard_instances, hand_over_instances
from adit.core.words import counted


class SystemAdmin(admin.ModelAdmin):
    """What only the system itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Receiver)
class ReceiverAdmin(SystemAdmin):
    list_display = [
        "name",
        "ae_title",
        "file_transmit_host",
        "file_transmit_port",
        "takes",
        "waiting",
        "quarantined",
        "refused",
        "heartbeat",
    ]
    search_fields = ["name", "ae_title"]
    exclude = ["spool_token"]

    @admin.display(description="waiting")
    def waiting(self, receiver: Receiver) -> int:
        rows = ReceivedInstance.objects.filter(receiver=receiver.name, discarded=False)
        return rows.filter(quarantined_at=None).count()

    @admin.display(description="in quarantine")
    def quarantined(self, receiver: Receiver) -> int:
        rows = ReceivedInstance.objects.filter(receiver=receiver.name, discarded=False)
        return rows.exclude(quarantined_at=None).count()

    @admin.display(description="refused associations")
    def refused(self, receiver: Receiver) -> int:
        rows = RefusedSender.objects.filter(receiver=receiver.name)
        return rows.aggregate(total=Sum("count"))["total"] or 0


class QuarantineFilter(admin.SimpleListFilter):
    title = "quarantine"
    parameter_name = "quarantine"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "In quarantine"), ("no", "Waiting for a task")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "yes":
            return queryset.exclude(quarantined_at=None)
        if self.value() == "no":
            return queryset.filter(quarantined_at=None)
        return queryset


@admin.register(ReceivedInstance)
class ReceivedInstanceAdmin(SystemAdmin):
    """Neither names nor numbers of patients are kept here; UIDs are on the page of one instance,
    for those with permission to view it."""

    list_display = [
        "id",
        "receiver",
        "calling_ae_title",
        "size",
        "received_at",
        "is_claimed",
        "quarantined_at",
        "conflicting",
        "discarded",
    ]
    list_filter = [QuarantineFilter, "conflicting", "discarded", "receiver", "calling_ae_title"]
    search_fields = ["=sop_instance_uid", "=study_instance_uid"]
    actions = ["discard", "hand_over"]

    @admin.display(boolean=True, description="claimed")
    def is_claimed(self, row: ReceivedInstance) -> bool:
        return row.claimed_by is not None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The row goes after the file, by the action."""
        return False

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.delete_receivedinstance")

    def has_hand_over_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("core.change_receivedinstance")

    @admin.action(description="Delete selected instances", permissions=["discard"])
    def discard(self, request: HttpRequest, queryset: Any) -> None:
        number = discard_instances(_user(request), list(queryset.values_list("pk", flat=True)))
        self.message_user(
            request, f"The receivers delete {counted(number, 'instance')}.", messages.SUCCESS
        )

    @admin.action(description="Hand selected instances to a task again", permissions=["hand_over"])
    def hand_over(self, request: HttpRequest, queryset: Any) -> None:
        ids = list(queryset.values_list("pk", flat=True))
        number, jobs = hand_over_instances(_user(request), ids)
        again = counted(jobs, "job")
        text = f"Offered to tasks again: {counted(number, 'instance')}; {again} to try again."
        self.message_user(request, text, messages.SUCCESS)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Counts of the quarantine per receiver and sender stand above the list."""
        if request.method == "GET" and not request.GET:
            rows = (
                ReceivedInstance.objects.exclude(quarantined_at=None)
                .filter(discarded=False)
                .values("receiver", "calling_ae_title")
                .annotate(number=Count("pk"), bytes=Sum("size"))
                .order_by("receiver", "calling_ae_title")
            )
            for row in rows:
                text = (
                    f"{counted(row['number'], 'instance')} ({row['bytes'] / 1e6:.1f} MB) from "
                    f"{row['calling_ae_title']} lie in quarantine at {row['receiver']}."
                )
                self.message_user(request, text, messages.WARNING)
        return super().changelist_view(request, extra_context)


@admin.register(RefusedSender)
class RefusedSenderAdmin(SystemAdmin):
    list_display = [
        "receiver",
        "reason",
        "calling_ae_title",
        "called_ae_title",
        "address",
        "count",
        "last",
    ]
    list_filter = ["receiver", "reason"]
    search_fields = ["calling_ae_title", "address"]


@admin.register(ReceivedReport)
class ReceivedReportAdmin(SystemAdmin):
    list_display = ["id", "receiver", "calling_ae_title", "received_at"]
    search_fields = ["=transaction_uid"]


def _user(request: HttpRequest) -> Any:
    return request.user
