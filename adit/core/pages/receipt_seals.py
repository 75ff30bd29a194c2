"""The signature of receipts: HMAC-SHA256 over a canonical form, with a key from the settings.

Canonical is a value as JSON with sorted keys, without blanks, in UTF-8. A receipt is signed as the
sequence of its canonical head and items, one a line, so it can be signed while it is written.
Beside the signature of the whole each item has a short seal of its own, which tells later which
item was changed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings

ALGORITHM = "HMAC-SHA256"
_PURPOSE = b"adit-receipt-signature-1"
_SEAL = 16


@dataclass(frozen=True)
class SigningKey:
    """A key and the short name by which a receipt refers to it."""

    id: str
    secret: bytes


def _derive(setting: str) -> SigningKey:
    secret = hmac.new(setting.encode(), _PURPOSE, hashlib.sha256).digest()
    return SigningKey(hmac.new(secret, b"id", hashlib.sha256).hexdigest()[:12], secret)


def signing_key() -> SigningKey:
    """The key that signs now."""
    return _derive(settings.SECRET_KEY)


def known_key(key_id: str) -> SigningKey | None:
    """The key of that name, now used or used before (`SECRET_KEY_FALLBACKS`)."""
    for setting in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        key = _derive(setting)
        if key.id == key_id:
            return key
    return None


def canonical(value: Any) -> bytes:
    """The one form of a value that is signed."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="surrogatepass")


class Seal:
    """Signs a sequence of values."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self._whole = hmac.new(key.secret, _PURPOSE, hashlib.sha256)
        self._number = 0

    def add(self, value: Any) -> str:
        """Add the next value; returns its own seal, which depends on its place too."""
        line = canonical(value)
        self._whole.update(line + b"\n")
        text = b"%d\n%s" % (self._number, line)
        self._number += 1
        return hmac.new(self._key.secret, text, hashlib.sha256).hexdigest()[:_SEAL]

    def signature(self) -> str:
        """Over all values so far, hexadecimal."""
        return self._whole.hexdigest()


def sign_bytes(key: SigningKey, data: bytes) -> str:
    """The signature of a file as it is, hexadecimal."""
    return hmac.new(key.secret, data, hashlib.sha256).hexdigest()


def equal(one: object, other: str) -> bool:
    """Compare signatures without telling by time where they differ."""
    if not isinstance(one, str):
        return False
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode())


def grouped(signature: str) -> str:
    """A signature as it is printed: groups of eight."""
    return " ".join(signature[i : i + 8] for i in range(0, len(signature), 8))
