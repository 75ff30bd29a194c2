"""The conformance statement is generated from the code and as new as that."""

from adit.core.conformance import DOCUMENT, conformance_page
from adit.core.dicom.contexts import ALL_SYNTAXES, STORAGE_CLASSES


def test_the_statement_is_of_today():
    assert DOCUMENT.read_text() == conformance_page()


def test_the_statement_names_every_class_and_syntax():
    page = conformance_page()

    assert all(f"`{uid}`" in page for uid in (*STORAGE_CLASSES, *ALL_SYNTAXES))


def test_every_class_has_a_name():
    assert not [line for line in conformance_page().splitlines() if line.startswith("| 1.2.840.")]
