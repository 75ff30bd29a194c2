from django.contrib import admin

from adit.core.admin import UndeletableAdmin
from adit.selective_transfer.models import SelectiveTransferJob, SelectiveTransferTask


@admin.register(SelectiveTransferJob)
class SelectiveTransferJobAdmin(UndeletableAdmin):
    list_display = ["id", "owner", "state", "profile", "trial_protocol_id", "created"]
    list_filter = ["state", "created"]
    list_select_related = ["owner", "profile"]
    search_fields = ["=id", "owner__username", "trial_protocol_id"]


@admin.register(SelectiveTransferTask)
class SelectiveTransferTaskAdmin(UndeletableAdmin):
    list_display = ["id", "job", "source", "destination", "pseudonym", "state", "message"]
    list_filter = ["state"]
    list_select_related = ["job", "source", "destination"]
    source_fields = [
        "patient_id",
        "study_instance_uid",
        "series_instance_uids",
        "study_date",
        "study_description",
        "log",
        "message",
    ]
    search_fields = ["=id", "=job__id", "pseudonym"]
