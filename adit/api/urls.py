"""The addresses of the API."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView

from adit.api import views
from adit.api.nodes import NodeTest
from adit.api.problems import nowhere
from adit.api.schema import reference

app_name = "api"
urlpatterns = [
    path("", reference, name="reference"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("v1/jobs/", views.Jobs.as_view(), name="jobs"),
    path("v1/jobs/<int:job_id>/", views.Job.as_view(), name="job"),
    path("v1/jobs/<int:job_id>/tasks/", views.Tasks.as_view(), name="tasks"),
    path("v1/jobs/<int:job_id>/actions/<slug:name>/", views.JobAction.as_view(), name="job_action"),
    path(
        "v1/jobs/<int:job_id>/tasks/actions/<slug:name>/",
        views.BulkAction.as_view(),
        name="bulk_action",
    ),
    path("v1/jobs/<int:job_id>/tasks/<int:line>/", views.Task.as_view(), name="task"),
    path(
        "v1/jobs/<int:job_id>/tasks/<int:line>/actions/<slug:name>/",
        views.LineAction.as_view(),
        name="line_action",
    ),
    path(
        "v1/tasks/<int:task_id>/actions/<slug:name>/",
        views.TaskAction.as_view(),
        name="task_action",
    ),
    path("v1/nodes/<path:name>/test/", NodeTest.as_view(), name="node_test"),
    re_path(r"", nowhere),
]
