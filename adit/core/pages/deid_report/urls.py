from django.urls import path

from adit.core.pages.deid_report import views

urlpatterns = [
    path("jobs/<int:job_id>/report/", views.job_report, name="job_report"),
    path("jobs/<int:job_id>/report.json", views.job_report_json, name="job_report_json"),
    path("jobs/<int:job_id>/report.pdf", views.job_report_pdf, name="job_report_pdf"),
]
