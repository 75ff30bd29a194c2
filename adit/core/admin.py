"""Django's admin for the models of core."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.validators import URLValidator
from django.http import HttpRequest

from adit.core import receiver_admin  # noqa: F401 - registers what belongs to receivers
from adit.core.models import (
    DeidProfile,
    DicomFolder,
    DicomJob,
    DicomNodeGroupAccess,
    DicomServer,
    DicomTask,
    SeriesTransfer,
    TaskEvent,
)

admin.site.site_header = "ADIT administration"
admin.site.site_title = "ADIT"


class AccessInline(admin.TabularInline):
    model = DicomNodeGroupAccess
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
class DicomServerAdmin(admin.ModelAdmin):
    form = DicomServerForm
    list_display = ["name", "ae_title", "host", "port", "is_active", "is_suspended", "max_tasks"]
    list_filter = ["is_active", "is_suspended"]
    search_fields = ["name", "ae_title", "host"]
    inlines = [AccessInline]
    fieldsets = [
        (None, {"fields": ["name", "ae_title", "host", "port", "is_active", "is_suspended"]}),
        ("Limits", {"fields": ["max_tasks", "max_associations", "max_search_results"]}),
        (
            "DIMSE",
            {
                "fields": [
                    ("patient_root_find_support", "study_root_find_support"),
                    ("patient_root_get_support", "study_root_get_support"),
                    ("patient_root_move_support", "study_root_move_support"),
                    "store_scp_support",
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


@admin.register(DicomFolder)
class DicomFolderAdmin(admin.ModelAdmin):
    list_display = ["name", "path", "is_active", "series_folders"]
    search_fields = ["name", "path"]
    inlines = [AccessInline]


@admin.register(DeidProfile)
class DeidProfileAdmin(admin.ModelAdmin):
    list_display = ["name", "version", "is_active", "leak_gate", "created"]
    list_filter = ["is_active"]
    search_fields = ["name"]
    filter_horizontal = ["groups"]


class ReadOnlyAdmin(admin.ModelAdmin):
    """What only the system itself writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class UndeletableAdmin(ReadOnlyAdmin):
    """What goes only by an action, with its audit entry."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
    search_fields = ["id", "job__id", "message"]
    list_select_related = ["job", "source"]


@admin.register(SeriesTransfer)
class SeriesTransferAdmin(UndeletableAdmin):
    list_display = ["id", "task", "modality", "expected", "received", "sent", "confirmed", "state"]
    list_filter = ["state", "modality"]
    search_fields = ["=task__id", "=series_instance_uid", "=new_series_instance_uid"]
    exclude = ["instances"]


@admin.register(TaskEvent)
class TaskEventAdmin(ReadOnlyAdmin):
    list_display = ["time", "task", "level", "text"]
    list_filter = ["level", "time"]
    search_fields = ["=task__id", "text"]
