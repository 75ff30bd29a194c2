"""Receipts as JSON, written while they are signed."""

from __future__ import annotations

import json
from collections.abc import Iterator

from adit.core.pages.receipt_content import ReceiptContent
from adit.core.pages.receipt_seals import ALGORITHM, Seal, signing_key

# What stands in the signature, and nothing else: it is the only part that nothing signs.
SIGNATURE_FIELDS = ("algorithm", "key", "value", "seals")


def json_lines(content: ReceiptContent) -> Iterator[str]:
    """The receipt piece by piece: the head, an item a line, the signature."""
    key = signing_key()
    seal = Seal(key)
    seals = [seal.add(content.head)]
    head = json.dumps(content.head, indent=2, ensure_ascii=False)
    yield head[: head.rindex("}")].rstrip() + f',\n  "{content.items_key}": ['
    separator = "\n"
    for item in content.items:
        seals.append(seal.add(item))
        yield separator + json.dumps(item, ensure_ascii=False)
        separator = ",\n"
    signature = {
        "algorithm": ALGORITHM,
        "key": key.id,
        "value": seal.signature(),
        "seals": seals,
    }
    yield f'\n  ],\n  "signature": {json.dumps(signature)}\n}}\n'
