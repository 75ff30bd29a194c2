"""dicom-anonymizer does what ADIT does, but for differences that are listed with their reasons."""

from __future__ import annotations

import warnings
from functools import cache

from adit.core.deid.tests.second_engine import DOCUMENT, REASONS, Kind, differences, document


@cache
def found() -> dict[Kind, set[str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return differences()


def test_no_kind_of_difference_is_unlisted():
    assert set(found()) - set(REASONS) == set()


def test_no_reason_is_left_over():
    assert set(REASONS) - set(found()) == set()


def test_the_document_is_of_today():
    assert DOCUMENT.read_text() == document(found())
