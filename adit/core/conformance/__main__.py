"""Rewrites the conformance statement."""

from .page import DOCUMENT, conformance_page

DOCUMENT.write_text(conformance_page())
