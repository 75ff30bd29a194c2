"""A developer's machine."""

from adit.settings.base import *  # noqa: F403
from adit.settings.base import LOGGING, env

DEBUG = env.boolean("DJANGO_DEBUG", True)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Static files come from where they lie, with debug pages or without.
WHITENOISE_USE_FINDERS = True

# Studies of developers are synthetic, so exceptions may say all that they know.
LOGGING["formatters"]["plain"]["class"] = "logging.Formatter"
