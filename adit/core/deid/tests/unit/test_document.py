"""The page of attributes is generated from the rules and as new as they are."""

from adit.core.deid.document import DOCUMENT, attributes_page
from adit.core.deid.table import ROWS


def test_the_page_is_of_today():
    assert DOCUMENT.read_text() == attributes_page()


def test_the_page_names_every_row_of_the_table():
    page = attributes_page()

    assert all(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" in page for tag in ROWS)
