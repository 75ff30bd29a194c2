from django.contrib import admin
from django.http import HttpRequest

from adit.audit.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):
    """To read only."""

    list_display = ["time", "username", "group", "action", "object_type", "object_id", "outcome"]
    list_filter = ["action", "time"]
    search_fields = ["username", "action", "object_id", "outcome"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False
