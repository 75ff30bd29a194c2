"""System checks that keep a production system from starting with unsafe settings.

Management commands (workers, receiver, migrations) run them as Django does; the web server, which
is no command, asks for them through `refuse_unsafe_start`.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

_SECRET_KEY_LENGTH = 50
_SECRET_KEY_VARIETY = 5
_INSECURE_WORDS = ("insecure", "change-me", "changeme")
_DEFAULT_PASSWORDS = {"postgres", "adit", "password"}


@checks.register(checks.Tags.security)
def check_production(app_configs: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Errors and warnings on the settings of a production system; none elsewhere."""
    if settings.ENVIRONMENT != "production":
        return []
    return [
        *_secret_key(),
        *_debug(),
        *_hosts(),
        *_transport(),
        *_database(),
        *_encryption(),
    ]


def refuse_unsafe_start() -> None:
    """Raise where a check finds an error.

    Raises:
        ImproperlyConfigured: the settings are unsafe; the message lists what to mend.
    """
    errors = [message for message in check_production() if message.level >= checks.ERROR]
    if errors:
        lines = (f"{message.id}: {message.msg} {message.hint}" for message in errors)
        raise ImproperlyConfigured("Unsafe settings for production:\n" + "\n".join(lines))


def _secret_key() -> Iterator[checks.CheckMessage]:
    key = settings.SECRET_KEY
    weak = len(key) < _SECRET_KEY_LENGTH or len(set(key)) < _SECRET_KEY_VARIETY
    if weak or any(word in key.lower() for word in _INSECURE_WORDS):
        yield checks.Error(
            "The secret key is a default or easy to guess.",
            hint="Set DJANGO_SECRET_KEY to 50 or more random characters.",
            id="adit.E001",
        )


def _debug() -> Iterator[checks.CheckMessage]:
    if settings.DEBUG:
        yield checks.Error(
            "DEBUG is on: error pages show settings and patient data.",
            hint="Unset DJANGO_DEBUG.",
            id="adit.E002",
        )


def _hosts() -> Iterator[checks.CheckMessage]:
    hosts = settings.ALLOWED_HOSTS
    if not hosts or any("*" in host for host in hosts):
        yield checks.Error(
            "Requests for any host name are answered.",
            hint="Set DJANGO_ALLOWED_HOSTS to the names of this site.",
            id="adit.E003",
        )


def _transport() -> Iterator[checks.CheckMessage]:
    if not settings.SECURE_SSL_REDIRECT and not settings.SECURE_PROXY_SSL_HEADER:
        yield checks.Error(
            "Pages are served over plain HTTP and no proxy adds TLS.",
            hint="Put a TLS proxy in front, or turn DJANGO_SECURE_SSL_REDIRECT on.",
            id="adit.E004",
        )
    if not (settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE):
        yield checks.Error(
            "Cookies are sent over plain HTTP too.",
            hint="SESSION_COOKIE_SECURE and CSRF_COOKIE_SECURE must be on.",
            id="adit.E005",
        )
    plain = [url for url in settings.CSRF_TRUSTED_ORIGINS if urlsplit(url).scheme != "https"]
    if plain:
        yield checks.Error(
            f"Forms from pages without TLS are trusted: {', '.join(plain)}.",
            hint="Use https:// in DJANGO_CSRF_TRUSTED_ORIGINS.",
            id="adit.E006",
        )


def _database() -> Iterator[checks.CheckMessage]:
    if settings.DATABASES["default"].get("PASSWORD", "") in _DEFAULT_PASSWORDS:
        yield checks.Error(
            "The database has a default password.",
            hint="Set DATABASE_URL or POSTGRES_PASSWORD with a password of your own.",
            id="adit.E007",
        )


def _encryption() -> Iterator[checks.CheckMessage]:
    if not settings.ENCRYPTION_KEYS:
        yield checks.Warning(
            "Stored secrets are encrypted with a key derived from the secret key.",
            hint="Set ENCRYPTION_KEY, so that a new secret key does not make them unreadable.",
            id="adit.W001",
        )
