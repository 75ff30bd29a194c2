from django.urls import path

from adit.core.pages.profiles import attributes, trial, views

urlpatterns = [
    path("profiles/", views.profile_list, name="profile_list"),
    path("profiles/new/", views.profile_create, name="profile_create"),
    path("profiles/<int:profile_id>/", views.profile_detail, name="profile_detail"),
    path("profiles/<int:profile_id>/edit/", views.profile_edit, name="profile_edit"),
    path("profiles/<int:profile_id>/active/", views.profile_active, name="profile_active"),
    path("profiles/<int:profile_id>/groups/", views.profile_groups, name="profile_groups"),
    path("profiles/<int:profile_id>/compare/", views.profile_compare, name="profile_compare"),
    path(
        "profiles/<int:profile_id>/attributes/",
        attributes.profile_attributes,
        name="profile_attributes",
    ),
    path(
        "profiles/<int:profile_id>/attributes.csv",
        attributes.profile_attributes_csv,
        name="profile_attributes_csv",
    ),
    path("profiles/<int:profile_id>/try/", trial.profile_trial, name="profile_trial"),
]
