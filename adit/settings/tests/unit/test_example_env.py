"""`example.env` documents what the settings read, no more and no less."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
_READ = re.compile(r"""\benv\.[a-z_]+\(\s*["']([A-Z][A-Z0-9_]+)["']""")
_DOCUMENTED = re.compile(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)


def _read_variables() -> set[str]:
    files = (ROOT / "adit" / "settings").glob("*.py")
    return {name for file in files for name in _READ.findall(file.read_text())}


def test_each_variable_is_documented():
    documented = {name for name, _ in _DOCUMENTED.findall((ROOT / "example.env").read_text())}
    assert documented == _read_variables()


def test_no_secret_is_written_down():
    values = dict(_DOCUMENTED.findall((ROOT / "example.env").read_text()))
    secret = [name for name in values if name.endswith(("_KEY", "_SEED", "_PASSWORD"))]
    assert secret
    assert {values[name] for name in secret} == {""}
