"""A text column that PostgreSQL sees only as Fernet tokens."""

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


def _cipher() -> MultiFernet:
    """The keys of `ENCRYPTION_KEYS`, newest first; a key derived from `SECRET_KEY` without them."""
    keys = settings.ENCRYPTION_KEYS
    if not keys:
        digest = hashlib.sha256(b"adit-encryption" + settings.SECRET_KEY.encode()).digest()
        keys = [base64.urlsafe_b64encode(digest).decode()]
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as err:
        raise ImproperlyConfigured("ENCRYPTION_KEY must hold url-safe base64 Fernet keys.") from err


class EncryptedTextField(models.TextField):
    """Text, encrypted at rest (authenticated, AES-128-CBC with HMAC-SHA256).

    Equal texts give different tokens, so the column cannot be searched.
    """

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if not value:
            return ""
        return _cipher().encrypt(value.encode()).decode()

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if not value:
            return ""
        try:
            return _cipher().decrypt(value.encode()).decode()
        except InvalidToken as err:
            raise ImproperlyConfigured(
                "A stored secret cannot be read: ENCRYPTION_KEY (or DJANGO_SECRET_KEY) has changed."
            ) from err
