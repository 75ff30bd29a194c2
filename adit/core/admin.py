"""Django's admin for the models of core."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.validators import URLValidator
from django.http import HttpRequest

from adit.core import receiver_admin  # noqa: F401 - registers what belongs to receivers
from adit.core.connections import ConnectionTestMixin
from adit.core.jobs.registry import all_kinds
from adit.core.models import (
    DeidProfile,
    DicomFolder,
    DicomJob,
    DicomNodeGroupAccess,
    DicomServer,
    DicomTask,
    DirectMoveRoute,
    JobArchive,
    JobKindSettings,
    SeriesTransfer,
    ServerHours,
    TaskEvent,
    Worker,
)
from adit.core.models.limits import WEEKDAYS
from adit.core.pages.source_view import IDENTIFIERS_PERMISSION

admin.site.site_header = "ADIT administration"
admin.site.site_title = "ADIT"


class AccessInline(admin.TabularInline):
    model = DicomNodeGroupAccess
    extra = 0


class HoursForm(forms.ModelForm):
    """The weekdays as boxes to tick."""

    weekdays = forms.TypedMultipleChoiceField(
        coerce=int,
        choices=list(enumerate(WEEKDAYS)),
        initial=list(range(7)),
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = ServerHours
        fields = ["weekdays", "since", "until"]


class HoursInline(admin.TabularInline):
    model = ServerHours
    form = HoursForm
    extra = 0


class DicomServerForm(forms.ModelForm):
    """The stored Authorization header is never shown; an empty field keeps it."""

    dicomweb_root_url = forms.CharField(
        label="DICOMweb root URL", required=False, validators=[URLValidator(["http", "https"])]
    )
    dicomweb_authorization = forms.CharField(
        required=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
        help_text="Leave empty to keep what is stored; enter a single minus sign to remove it.",
    )

    class Meta:
        model = DicomServer
        fields = "__all__"  # noqa: DJ007

    def clean_dicomweb_authorization(self) -> str:
        value = self.cleaned_data["dicomweb_authorization"]
        if value == "-":
            return ""
        return value or self.instance.dicomweb_authorization


@admin.register(DicomServer)
class DicomServerAdmin(ConnectionTestMixin, admin.ModelAdmin):
    form = DicomServerForm
    list_display = ["name", "ae_title", "host", "port", "is_active", "is_suspended", "max_tasks"]
    list_filter = ["is_active", "is_suspended"]
    search_fields = ["name", "ae_title", "host"]
    inlines = [HoursInline, AccessInline]
    fieldsets = [
        (None, {"fields": ["name", "ae_title", "host", "port", "is_active", "is_suspended"]}),
        (
            "Limits",
            {
                "fields": [
                    "max_tasks",
                    "max_associations",
                    "max_instances_per_second",
                    "max_search_results",
                    ("task_attempts", "task_retry_waits"),
                    ("time_zone", "urgent_ignores_hours"),
                ]
            },
        ),
        (
            "DIMSE",
            {
                "fields": [
                    ("patient_root_find_support", "study_root_find_support"),
                    ("patient_root_get_support", "study_root_get_support"),
                    ("patient_root_move_support", "study_root_move_support"),
                    ("store_scp_support", "storage_commitment_support"),
                    "sender_ae_titles",
                    "character_set_fallback",
                ]
            },
        ),
        (
            "DICOMweb",
            {
                "fields": [
                    "dicomweb_root_url",
                    ("dicomweb_qido_support", "dicomweb_qido_prefix"),
                    ("dicomweb_wado_support", "dicomweb_wado_prefix"),
                    ("dicomweb_stow_support", "dicomweb_stow_prefix"),
                    "dicomweb_authorization",
                ]
            },
        ),
        (
            "Time-outs",
            {
                "fields": [
                    ("connect_timeout", "acse_timeout"),
                    ("network_timeout", "progress_timeout"),
                ]
            },
        ),
        ("Protocols", {"fields": ["preferred_query", "preferred_retrieve", "preferred_store"]}),
        (
            "TLS",
            {
                "fields": [
                    "tls_enabled",
                    "tls_check_hostname",
                    "tls_ca_file",
                    "tls_certificate_file",
                    "tls_key_file",
                ]
            },
        ),
    ]


@admin.register(DirectMoveRoute)
class DirectMoveRouteAdmin(admin.ModelAdmin):
    list_display = ["__str__", "destination_ae_title", "is_active"]
    list_select_related = ["source", "destination"]
    autocomplete_fields = ["source", "destination"]


@admin.register(DicomFolder)
class DicomFolderAdmin(admin.ModelAdmin):
    list_display = ["name", "path", "is_active", "series_folders", "quota", "used_bytes"]
    readonly_fields = ["used_bytes", "measured", "warned"]
    search_fields = ["name", "path"]
    inlines = [AccessInline]


class JobKindSettingsForm(forms.ModelForm):
    kind = forms.ChoiceField(choices=lambda: [(kind.key, kind.label) for kind in all_kinds()])

    class Meta:
        model = JobKindSettings
        fields = ["kind", "is_suspended"]


@admin.register(JobKindSettings)
class JobKindSettingsAdmin(admin.ModelAdmin):
    form = JobKindSettingsForm
    list_display = ["kind", "is_suspended"]


class ReadOnlyAdmin(admin.ModelAdmin):
    """What only the system itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ["name", "slots", "seen"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # who is there says so again, and who is gone is forgotten


class SourceHidingAdmin(ReadOnlyAdmin):
    """Shows what leads back to a patient, and finds by it, with the permission to see it only."""

    source_fields: ClassVar[list[str]] = []
    source_search_fields: ClassVar[list[str]] = []

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        excluded = list(super().get_exclude(request, obj) or [])
        sees = request.user.has_perm(IDENTIFIERS_PERMISSION)  # type: ignore[union-attr]
        return excluded if sees else [*excluded, *self.source_fields]

    def get_list_display(self, request: HttpRequest) -> Any:
        columns = list(super().get_list_display(request))
        sees = request.user.has_perm(IDENTIFIERS_PERMISSION)  # type: ignore[union-attr]
        return columns if sees else [one for one in columns if one not in self.source_fields]

    def get_search_fields(self, request: HttpRequest) -> Any:
        known = list(super().get_search_fields(request))
        sees = request.user.has_perm(IDENTIFIERS_PERMISSION)  # type: ignore[union-attr]
        return [*known, *self.source_search_fields] if sees else known


class UndeletableAdmin(SourceHidingAdmin):
    """What goes only by an action, with its audit entry."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(DeidProfile)
class DeidProfileAdmin(UndeletableAdmin):
    """Versions do not change: they are made, offered and retired on the pages of profiles, each
    time with an audit entry."""

    list_display = ["name", "version", "is_active", "leak_gate", "author", "created"]
    list_filter = ["is_active"]
    search_fields = ["name"]
    exclude = ["secret"]


@admin.register(DicomJob)
class DicomJobAdmin(UndeletableAdmin):
    list_display = ["id", "kind", "owner", "state", "urgent", "created", "start", "end", "message"]
    list_filter = ["kind", "state", "created"]
    search_fields = ["id", "owner__username", "message"]
    list_select_related = ["owner"]


@admin.register(DicomTask)
class DicomTaskAdmin(UndeletableAdmin):
    list_display = ["id", "job", "source", "state", "attempts", "worker", "message"]
    list_filter = ["state", "source"]
    search_fields = ["id", "job__id"]
    list_select_related = ["job", "source"]
    source_fields = ["log", "message"]
    source_search_fields = ["message"]


@admin.register(SeriesTransfer)
class SeriesTransferAdmin(UndeletableAdmin):
    list_display = ["id", "task", "modality", "expected", "received", "sent", "confirmed", "state"]
    list_filter = ["state", "modality"]
    search_fields = ["=task__id", "=new_series_instance_uid"]
    exclude = ["instances"]
    source_fields = ["series_instance_uid", "description", "reason"]
    source_search_fields = ["=series_instance_uid"]


@admin.register(JobArchive)
class JobArchiveAdmin(UndeletableAdmin):
    list_display = ["job", "node", "state", "files", "size", "ended", "message"]
    list_filter = ["state"]
    search_fields = ["=job__id", "message"]
    exclude = ["password", "parts_key"]


@admin.register(TaskEvent)
class TaskEventAdmin(UndeletableAdmin):
    """Goes with its job only: it tells what was ever started."""

    list_display = ["time", "task", "level", "text"]
    source_fields = ["text"]
    list_filter = ["level", "time"]
    search_fields = ["=task__id"]
    source_search_fields = ["text"]
