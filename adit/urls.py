"""The addresses of all pages."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("adit.accounts.urls")),
    path("api/", include("adit.api.urls")),
    path("selective-transfer/", include("adit.selective_transfer.urls")),
    path("", include("adit.core.pages.urls")),
]

handler400 = "adit.core.pages.errors.bad_request"
handler403 = "adit.core.pages.errors.permission_denied"
handler404 = "adit.core.pages.errors.not_found"
