"""The DICOM conformance statement, written from what the code does.

uv run python -m adit.core.conformance

rewrites `docs/reference/dicom-conformance.md`. Needs neither database nor peers.
"""

from .page import DOCUMENT, conformance_page

__all__ = ["DOCUMENT", "conformance_page"]
