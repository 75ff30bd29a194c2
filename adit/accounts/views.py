"""Log-in, profile, active group and theme."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.messages.views import SuccessMessageMixin
from django.core.exceptions import BadRequest
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from django.views.generic import UpdateView

from adit.accounts.forms import LoginForm, OwnPasswordForm, ProfileForm
from adit.accounts.models import User
from adit.core.pages.identifiers import id_list


class LoginView(auth_views.LoginView):
    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


class LogoutView(auth_views.LogoutView):
    pass


class ProfileView(LoginRequiredMixin, SuccessMessageMixin, UpdateView):
    """Name, e-mail address and theme; group memberships are shown."""

    template_name = "accounts/profile.html"
    form_class = ProfileForm
    success_url = reverse_lazy("accounts:profile")
    success_message = "Your profile is saved."

    def get_object(self, queryset: Any = None) -> User:
        # A copy: an invalid form must not change the user of the frame around it.
        return User.objects.get(pk=self.request.user.pk)

    def form_invalid(self, form: ModelForm) -> HttpResponse:
        response = super().form_invalid(form)
        response.status_code = 422
        return response


class PasswordView(LoginRequiredMixin, SuccessMessageMixin, auth_views.PasswordChangeView):
    template_name = "accounts/password.html"
    form_class = OwnPasswordForm
    success_url = reverse_lazy("accounts:profile")
    success_message = "Your password is changed."


def _back(request: HttpRequest) -> str:
    """Where the form was sent from, if that is one of our pages."""
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()})
    return target if safe else "/"


@login_required
@require_POST
def set_active_group(request: HttpRequest) -> HttpResponse:
    """Work for another of one's groups from now on. POST: `group` (its id), `next`."""
    user: Any = request.user
    group = user.groups.filter(pk__in=id_list(request.POST.get("group", ""))[:1]).first()
    if group is None:
        raise BadRequest("Not a group of this user.")
    user.activate_group(group)
    messages.success(request, f"You work for the group {group.name} now.")
    return redirect(_back(request))


@login_required
@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """POST: `theme` (light, dark or auto), `next`."""
    theme = request.POST.get("theme", "")
    if theme not in User.Theme.values:
        raise BadRequest("Not a theme.")
    User.objects.filter(pk=request.user.pk).update(theme=theme)
    if request.headers.get("HX-Request"):
        trigger = json.dumps({"adit:theme": {"value": theme}})
        return HttpResponse(status=204, headers={"HX-Trigger": trigger})
    return redirect(_back(request))
