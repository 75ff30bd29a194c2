from django.urls import path

from adit.core.pages.held import views

urlpatterns = [
    path("held/", views.held_list, name="held_list"),
    path("held/task/<int:task_id>/", views.held_of_task, name="held_of_task"),
    path("held/<int:series_id>/", views.held_series, name="held_series"),
    path("held/<int:series_id>/look/", views.held_look, name="held_look"),
    path("held/<int:series_id>/download/<slug:what>/", views.held_download, name="held_download"),
    path("held/<int:series_id>/<slug:name>/", views.held_decide, name="held_decide"),
]
