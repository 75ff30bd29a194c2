from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin

from adit.accounts.models import User


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    list_display = ["username", "email", "department", "active_group", "is_staff", "is_active"]
    list_select_related = ["active_group"]
    search_fields = ["username", "email", "first_name", "last_name", "department"]
    fieldsets = [
        *(DjangoUserAdmin.fieldsets or ()),
        ("ADIT", {"fields": ["phone", "department", "active_group", "theme"]}),
    ]
    add_fieldsets = [
        (None, {"classes": ["wide"], "fields": ["username", "email", "password1", "password2"]})
    ]
