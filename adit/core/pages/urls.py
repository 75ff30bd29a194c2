from django.urls import path

from adit.core.pages import job_detail, jobs, receipt_views, task_detail

app_name = "core"
urlpatterns = [
    path("", jobs.home, name="home"),
    path("live/", jobs.home_live, name="home_live"),
    path("jobs/", jobs.job_list, name="job_list"),
    path("jobs/live/", jobs.job_list_live, name="job_list_live"),
    path("jobs/<int:job_id>/", job_detail.job_detail, name="job_detail"),
    path("jobs/<int:job_id>/live/", job_detail.job_live, name="job_live"),
    path("jobs/<int:job_id>/action/<slug:name>/", job_detail.job_action, name="job_action"),
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
    path("tasks/<int:task_id>/receipt/", receipt_views.task_receipt_page, name="task_receipt"),
    path(
        "tasks/<int:task_id>/receipt.json",
        receipt_views.task_receipt_download,
        {"form": "json"},
        name="task_receipt_json",
    ),
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
