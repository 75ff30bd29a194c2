"""The test suite: fast password hashes, short waits."""

from adit.settings.base import *  # noqa: F403

ENVIRONMENT = "test"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
TRANSFER_RECONNECT_WAITS = [
    float(wait)
    for wait in env.words("TRANSFER_RECONNECT_WAITS", ["0.1", "0.3", "0.6"])  # noqa: F405
]

# Senders in tests call themselves as they like, but only on this machine.
RECEIVER_EXTRA_SENDERS = env.words("RECEIVER_EXTRA_SENDERS", ["*@127.0.0.1"])  # noqa: F405
