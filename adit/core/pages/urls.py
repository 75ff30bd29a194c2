from django.urls import path

from adit.core.pages import (
    job_actions,
    job_detail,
    jobs,
    receipt_views,
    task_detail,
    task_export,
)
from adit.core.pages.deid_report.urls import urlpatterns as report_patterns
from adit.core.pages.held.urls import urlpatterns as held_patterns
from adit.core.pages.profiles.urls import urlpatterns as profile_patterns

app_name = "core"
urlpatterns = [
    path("", jobs.home, name="home"),
    path("live/", jobs.home_live, name="home_live"),
    path("jobs/", jobs.job_list, name="job_list"),
    path("jobs/live/", jobs.job_list_live, name="job_list_live"),
    path("jobs/<int:job_id>/", job_detail.job_detail, name="job_detail"),
    path("jobs/<int:job_id>/live/", job_detail.job_live, name="job_live"),
    path("jobs/<int:job_id>/action/<slug:name>/", job_actions.job_action, name="job_action"),
    path(
        "jobs/<int:job_id>/tasks/action/<slug:name>/", job_actions.bulk_action, name="bulk_action"
    ),
    path("jobs/<int:job_id>/tasks.<slug:form>", task_export.task_export, name="task_export"),
    path("jobs/<int:job_id>/receipt/", receipt_views.job_receipt_page, name="job_receipt"),
    path(
        "jobs/<int:job_id>/receipt.json",
        receipt_views.job_receipt_download,
        {"form": "json"},
        name="job_receipt_json",
    ),
    path(
        "jobs/<int:job_id>/receipt.csv",
        receipt_views.job_receipt_download,
        {"form": "csv"},
        name="job_receipt_csv",
    ),
    path(
        "jobs/<int:job_id>/receipt.pdf",
        receipt_views.job_receipt_download,
        {"form": "pdf"},
        name="job_receipt_pdf",
    ),
    path("tasks/<int:task_id>/", task_detail.task_detail, name="task_detail"),
    path("tasks/<int:task_id>/live/", task_detail.task_live, name="task_live"),
    path("tasks/<int:task_id>/action/<slug:name>/", task_detail.task_action, name="task_action"),
    path("tasks/<int:task_id>/receipt/", receipt_views.task_receipt_page, name="task_receipt"),
    path(
        "tasks/<int:task_id>/receipt.json",
        receipt_views.task_receipt_download,
        {"form": "json"},
        name="task_receipt_json",
    ),
    *profile_patterns,
    *held_patterns,
    *report_patterns,
    path(
        "tasks/<int:task_id>/receipt.csv",
        receipt_views.task_receipt_download,
        {"form": "csv"},
        name="task_receipt_csv",
    ),
    path(
        "tasks/<int:task_id>/receipt.pdf",
        receipt_views.task_receipt_download,
        {"form": "pdf"},
        name="task_receipt_pdf",
    ),
]
