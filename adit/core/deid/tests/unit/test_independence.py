"""The leak gate shares no code and no table with the engine, so that no mistake is made twice."""

from __future__ import annotations

import ast
from pathlib import Path

from adit.core import deid

_SHARED = {"profile", "report"}
"""What both are told by their caller, and tell it: data only."""


def test_the_gate_imports_nothing_of_the_engine():
    folder = Path(deid.__file__).parent
    modules = sorted(folder.glob("leak_*.py"))

    imported = {
        node.module or ""
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.level or (node.module or "").startswith(("adit", "dicomanonymizer", "dicognito")))
    }

    assert len(modules) > 10
    assert {name for name in imported if not name.startswith("leak_")} <= _SHARED
