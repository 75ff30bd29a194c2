"""The test suite's settings for workers that run scripted tasks."""

from adit.settings.test import *  # noqa: F403

INSTALLED_APPS += ["adit.test_jobs.apps.TestJobsConfig"]  # noqa: F405
