"""What the operator's documents say of settings is true of the settings."""

import re
from pathlib import Path

import pytest
from django.conf import settings

HOW_TO = Path(settings.BASE_DIR) / "docs" / "how-to"
# Read by the environment, not kept under their own name.
FROM_THE_ENVIRONMENT = {"DATABASE_URL"}


@pytest.mark.parametrize("document", sorted(HOW_TO.glob("*.md")), ids=lambda path: path.stem)
def test_each_setting_in_a_document_exists(document):
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", document.read_text()))
    assert named, "a document of settings names some"
    named -= {"AE_TITLE", *FROM_THE_ENVIRONMENT}
    assert [name for name in sorted(named) if not hasattr(settings, name)] == []
