"""The users and jobs of the tests of the pages."""

from adit.core.pages.tests.integration.conftest import (  # noqa: F401
    make_job,
    owner,
    staff,
    stranger,
)
