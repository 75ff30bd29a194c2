"""Forms about oneself."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm

from adit.accounts.models import User


def _style(form: forms.BaseForm) -> None:
    for field in form.fields.values():
        is_select = isinstance(field.widget, forms.Select)
        field.widget.attrs["class"] = "form-select" if is_select else "form-control"


class LoginForm(AuthenticationForm):
    """Log in by name or e-mail address."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["username"].label = "User name or e-mail address"
        _style(self)


class ProfileForm(forms.ModelForm):
    """What users may change about themselves."""

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "phone", "department", "theme"]

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        _style(self)


class OwnPasswordForm(PasswordChangeForm):
    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        _style(self)
