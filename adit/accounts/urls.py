from django.urls import path

from adit.accounts import views

app_name = "accounts"
urlpatterns = [
    path("login/", views.LoginView.as_view(), name="login"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("profile/", views.ProfileView.as_view(), name="profile"),
    path("password/", views.PasswordView.as_view(), name="password"),
    path("active-group/", views.set_active_group, name="active_group"),
    path("theme/", views.set_theme, name="theme"),
]
