"""What holds in every environment. Each value comes from the environment through `env`."""

import os
import warnings
from pathlib import Path

from csp.constants import NONCE, NONE, SELF

from adit.settings import env

BASE_DIR = Path(__file__).resolve().parents[2]
env.load_dotenv(BASE_DIR / ".env")

INSECURE_SECRET_KEY = "insecure-development-key-do-not-use-in-production"

ENVIRONMENT = env.choice("ENVIRONMENT", "development", ["development", "production", "test"])
DEBUG = False
SECRET_KEY = env.text("DJANGO_SECRET_KEY", INSECURE_SECRET_KEY)
ALLOWED_HOSTS = env.words("DJANGO_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("DJANGO_CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "adit.core.apps.CoreConfig",
    "adit.accounts.apps.AccountsConfig",
    "adit.audit.apps.AuditConfig",
    "adit.selective_transfer.apps.SelectiveTransferConfig",
    "adit.api.apps.ApiConfig",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "crispy_bootstrap5",
    "crispy_forms",
    "django_cotton",
    "django_filters",
    "django_htmx",
    "django_tables2",
    "drf_spectacular",
    "procrastinate.contrib.django",
    "rest_framework",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "adit.urls"
ASGI_APPLICATION = "adit.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "adit.core.pages.context.shell",
            ],
        },
    },
]
COTTON_DIR = "cotton"

DATABASES = {
    "default": env.database(
        "DATABASE_URL",
        f"postgresql://adit:{env.text('POSTGRES_PASSWORD', 'postgres')}@localhost:5432/adit",
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Messages between consumers of one process; between processes PostgreSQL's NOTIFY carries them.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["adit.accounts.backends.ActiveGroupBackend"]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "core:home"
LOGOUT_REDIRECT_URL = "accounts:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_I18N = False
USE_TZ = True
# ISO 8601 everywhere (the zone is added where a time is shown).
DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "Y-m-d H:i:s"

STATIC_URL = "static/"
STATIC_ROOT = env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles"))

CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
DJANGO_TABLES2_TEMPLATE = "django_tables2/bootstrap5.html"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "adit.core.pages.errors.csrf_failure"

EMAIL_CONFIG = env.email("DJANGO_EMAIL_URL", "consolemail://")
vars().update(EMAIL_CONFIG)
SUPPORT_EMAIL = env.text("SUPPORT_EMAIL", "support@example.org")
DEFAULT_FROM_EMAIL = SUPPORT_EMAIL

SITE_NAME = env.text("SITE_NAME", "ADIT")
SITE_DOMAIN = env.text("SITE_DOMAIN", "localhost:8000")
SITE_URL = env.text("SITE_URL", f"http://{SITE_DOMAIN}")

# Fernet keys for secrets at rest, newest first; without one a key is derived from SECRET_KEY.
ENCRYPTION_KEYS = env.words("ENCRYPTION_KEY")

# DICOM
CALLING_AE_TITLE = env.ae_title("CALLING_AE_TITLE", "ADIT")
RECEIVER_AE_TITLE = env.ae_title("RECEIVER_AE_TITLE", "ADIT_RECEIVER")
STORE_SCP_HOST = env.text("STORE_SCP_HOST", "127.0.0.1")
STORE_SCP_PORT = env.port("STORE_SCP_PORT", 11112)
FILE_TRANSMIT_HOST = env.text("FILE_TRANSMIT_HOST", "127.0.0.1")
FILE_TRANSMIT_PORT = env.port("FILE_TRANSMIT_PORT", 14638)
FILE_TRANSMIT_KEY = env.text("FILE_TRANSMIT_KEY", "") or SECRET_KEY
FILE_TRANSMIT_ADVERTISED_HOST = env.text("FILE_TRANSMIT_ADVERTISED_HOST", "")
FILE_TRANSMIT_TLS_CERTIFICATE = env.text("FILE_TRANSMIT_TLS_CERTIFICATE", "")
FILE_TRANSMIT_TLS_KEY = env.text("FILE_TRANSMIT_TLS_KEY", "")
FILE_TRANSMIT_TLS_CA = env.text("FILE_TRANSMIT_TLS_CA", "")
STORE_SCP_TLS_CERTIFICATE = env.text("STORE_SCP_TLS_CERTIFICATE", "")
STORE_SCP_TLS_KEY = env.text("STORE_SCP_TLS_KEY", "")
STORE_SCP_TLS_CA = env.text("STORE_SCP_TLS_CA", "")
STORE_SCP_TLS_REQUIRE_CERTIFICATE = env.boolean("STORE_SCP_TLS_REQUIRE_CERTIFICATE", False)
RECEIVER_PROCESSES = env.integer("RECEIVER_PROCESSES", min(4, os.cpu_count() or 1), 1, 64)
RECEIVER_MAX_ASSOCIATIONS = env.integer("RECEIVER_MAX_ASSOCIATIONS", 100, 1)
RECEIVER_CHECK_CALLER = env.boolean("RECEIVER_CHECK_CALLER", True)
RECEIVER_CHECK_ADDRESS = env.boolean("RECEIVER_CHECK_ADDRESS", True)
RECEIVER_EXTRA_SENDERS = env.words("RECEIVER_EXTRA_SENDERS")
RECEIVER_SHARED_SPOOL = env.boolean("RECEIVER_SHARED_SPOOL", True)
RECEIVER_DRAIN_SECONDS = env.integer("RECEIVER_DRAIN_SECONDS", 10, 0)
RECEIVER_NAME = env.text("RECEIVER_NAME", "receiver")
SPOOL_DIR = Path(env.text("SPOOL_DIR", str(BASE_DIR / ".adit" / "spool")))
SPOOL_RESERVE_MB = env.integer("SPOOL_RESERVE_MB", 512, 0)
QUARANTINE_AFTER_MINUTES = env.integer("QUARANTINE_AFTER_MINUTES", 60, 1)
QUARANTINE_DELETE_DAYS = env.integer("QUARANTINE_DELETE_DAYS", 30, 1)
EXCLUDE_MODALITIES = env.words("EXCLUDE_MODALITIES", ["PR", "SR"])
ANONYMIZATION_SEED = env.text("ANONYMIZATION_SEED", "") or SECRET_KEY
DICOM_PROGRESS_TIMEOUT = env.integer("DICOM_PROGRESS_TIMEOUT", 60, 1)

# Jobs
WORK_DIR = Path(env.text("WORK_DIR", str(BASE_DIR / ".adit" / "work")))
MOUNT_DIR = Path(env.text("MOUNT_DIR", str(BASE_DIR / ".adit" / "folders")))
TASK_ATTEMPTS = env.integer("TASK_ATTEMPTS", 3, 1)
TASK_RETRY_WAITS = [int(wait) for wait in env.words("TASK_RETRY_WAITS", ["120", "240"])]
TASK_LEASE_SECONDS = env.integer("TASK_LEASE_SECONDS", 20, 3)
TASK_MAX_CRASHES = env.integer("TASK_MAX_CRASHES", 3, 1)
TASK_MEMORY_MB = env.integer("TASK_MEMORY_MB", 2048, 0)
TASK_PROGRESS_SECONDS = env.integer("TASK_PROGRESS_SECONDS", 1800, 1)
TASK_LOG_DAYS = env.integer("TASK_LOG_DAYS", 90, 0)
JOB_RETENTION_DAYS = env.integer("JOB_RETENTION_DAYS", 0, 0)
WORK_RESERVE_MB = env.integer("WORK_RESERVE_MB", 512, 0)
WORKER_GRACE_SECONDS = env.integer("WORKER_GRACE_SECONDS", 10, 0)
# Seconds before each new try within a run, while a peer is away for a moment. With the attempts of
# a task and the waits between them a peer may be away for ten minutes.
TRANSFER_RECONNECT_WAITS = [
    float(wait) for wait in env.words("TRANSFER_RECONNECT_WAITS", ["1", "5", "15", "30", "45"])
]
# Password and parts of an archive whose job could still be retried are kept for so long.
ARCHIVE_KEEP_DAYS = env.integer("ARCHIVE_KEEP_DAYS", 7, 1)
CONFIRM_PATIENCE_SECONDS = env.integer("CONFIRM_PATIENCE_SECONDS", 60, 1)
SELECTIVE_TRANSFER_MAX_STUDIES = env.integer("SELECTIVE_TRANSFER_MAX_STUDIES", 10, 1)
SELECTIVE_TRANSFER_RESULT_LIMIT = env.integer("SELECTIVE_TRANSFER_RESULT_LIMIT", 101, 1)
SELECTIVE_TRANSFER_UNVERIFIED = env.boolean("SELECTIVE_TRANSFER_UNVERIFIED", False)

# Previews
PROFILE_TRIAL_MAX_MB = env.integer("PROFILE_TRIAL_MAX_MB", 50, 1)
LOOK_TIMEOUT_SECONDS = env.integer("LOOK_TIMEOUT_SECONDS", 60, 1)
# Uploads up to this size, with some room for the form around the file, never touch the disk.
FILE_UPLOAD_MAX_MEMORY_SIZE = (PROFILE_TRIAL_MAX_MB + 1) * 1024 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["adit.api.authentication.Session"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "adit.api.problems.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "ADIT",
    "VERSION": "1",
    "DESCRIPTION": "Transfer jobs and their tasks. Log in on the pages; changes need the header"
    " X-CSRFToken with the value of the cookie csrftoken.",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "JobState": "adit.core.models.DicomJob.State",
        "TaskState": "adit.core.models.DicomTask.State",
    },
}

PROCRASTINATE_ON_APP_READY = "adit.core.jobs.queue.configure"

# pydicom quotes malformed values in its warnings, which go to the output and to its logger.
warnings.filterwarnings("ignore", module=r"pydicom\.")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "class": "adit.core.log_format.WithoutValues",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "filters": {
        "no warnings": {"()": "adit.core.log_filters.NoWarnings"},
        "refused": {"()": "adit.core.log_filters.RefusedInOneLine"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.text("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"filters": ["refused"]},
        "procrastinate": {"level": "WARNING"},
        "pynetdicom": {"level": "ERROR"},
        "pydicom": {"filters": ["no warnings"]},
        "httpx": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
    },
}
