"""Names of folders and files that cannot climb, clash or break on any file system."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{device}{n}" for device in ("COM", "LPT") for n in "0123456789¹²³"
}
_MAX_BYTES = 120


def safe_name(text: str, fallback: str = "unknown") -> str:
    """`text` as the name of one folder or file, the same for the same text.

    Separators and characters that a file system forbids become `_`; leading and trailing dots and
    blanks go; names that Windows reserves get a `_` in front; what is longer than 120 bytes is cut
    and made unique by a digest of the whole.
    """
    name = unicodedata.normalize("NFC", text)
    name = "".join(c for c in name if c.isprintable())
    name = _UNSAFE.sub("_", name).strip(". ")
    if not name.strip("_"):
        return name or fallback
    if name.split(".")[0].strip().upper() in _RESERVED:
        name = f"_{name}"
    encoded = name.encode()
    if len(encoded) > _MAX_BYTES:
        digest = hashlib.sha256(encoded).hexdigest()[:8]
        name = encoded[: _MAX_BYTES - 9].decode(errors="ignore").rstrip(". ") + f"-{digest}"
    return name


def own_name(text: str, fallback: str = "unknown") -> str:
    """Like `safe_name`, and two texts never share a name: what had to be changed gets a digest.

    For names that stand for somebody, where a shared folder would mix up patients.
    """
    name = safe_name(text, fallback)
    if name == text:
        return name
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
    return name if name.endswith(f"-{digest}") else f"{name}-{digest}"
