import pytest
from django.core.exceptions import ValidationError

from adit.core.models.transfers import pseudonym_validator


@pytest.mark.parametrize("text", ["A\\B", "A^B", "A*", "A?", "A=B", "A\nB", "A\u202eB", "A\u200b"])
def test_separators_wildcards_and_invisible_characters_are_refused(text):
    with pytest.raises(ValidationError, match="must not contain"):
        pseudonym_validator(text)


@pytest.mark.parametrize("text", ["ONCO-17", "Fall 3", "Größe_1", "患者1", ".."])
def test_plain_names_of_any_script_are_accepted(text):
    pseudonym_validator(text)
