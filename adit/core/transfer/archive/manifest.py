"""The manifest of an archive: what is in it, with sizes and SHA-256, and how complete it is.

It names the UIDs at the destination only: nothing in it identifies a patient whose studies were
pseudonymised.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MANIFEST_NAME = "manifest.json"
MANIFEST_VERSION = 1


class ManifestWriter:
    """Writes the manifest as it grows, one study or file a line."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        self.path = path
        self._head = {"format": "adit-archive", "version": MANIFEST_VERSION, **head}
        self._studies: list[dict[str, Any]] = []
        self._first = True
        self._open()

    def _open(self) -> None:
        self._file = self.path.open("w", encoding="utf-8")
        self._file.write('{"archive": ' + json.dumps(self._head) + ',\n"files": [')

    def close(self) -> None:
        """Write the end; the manifest is whole then."""
        lines = ",\n".join(json.dumps(study) for study in self._studies)
        self._file.write(f'\n],\n"studies": [\n{lines}\n]}}\n')
        self._file.close()

    def add_study(self, **fields: Any) -> None:
        self._studies.append(fields)

    def add_file(self, **fields: Any) -> None:
        self._file.write(("\n" if self._first else ",\n") + json.dumps(fields))
        self._first = False
