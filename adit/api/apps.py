"""The REST API as an app."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "adit.api"
    verbose_name = "REST API"
