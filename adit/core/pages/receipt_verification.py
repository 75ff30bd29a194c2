"""Says of the file of a receipt whether it is as it was signed, and if not, what differs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from adit.core.pages.receipt_content import FORMAT, Fields, items_key
from adit.core.pages.receipt_csv import HEAD_MARK, SIGNATURE_MARK
from adit.core.pages.receipt_json import SIGNATURE_FIELDS
from adit.core.pages.receipt_pdf import CREATOR, render_pages
from adit.core.pages.receipt_pdf import SIGNATURE_MARK as PDF_MARK
from adit.core.pages.receipt_recorded import recorded
from adit.core.pages.receipt_seals import ALGORITHM, Seal, equal, known_key, sign_bytes

_MOST_DIFFERENCES = 20


@dataclass
class Verdict:
    """What is to be thought of a file.

    Attributes:
        result: "valid", "changed" or "unknown".
        reason: why, in words.
        differences: what differs from what was signed, or from what is recorded.
    """

    result: str
    reason: str
    differences: list[str] = field(default_factory=list)


def verify(data: bytes) -> Verdict:
    """Look at a receipt in any of its forms."""
    if data.startswith(b"%PDF"):
        return _verify_pdf(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Verdict("unknown", "It is neither PDF nor text.")
    if text.lstrip().startswith("{"):
        return _verify_json(text)
    return _verify_csv(text)


# JSON


def _read_json(text: str) -> tuple[Any, list[str]]:
    """The value, and the names that stand more than once in one of its objects: a person sees the
    first of them, a program takes the last.

    Raises:
        ValueError: it is no JSON, or goes deeper or further than any receipt.
    """
    twice: list[str] = []

    def read_object(pairs: list[tuple[str, Any]]) -> Fields:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice.extend(name for name, times in Counter(n for n, _ in pairs).items() if times > 1)
        return found

    try:
        return json.loads(text, object_pairs_hook=read_object), twice
    except RecursionError as err:
        raise ValueError("nested too deep") from err


def _verify_json(text: str) -> Verdict:
    try:
        receipt, twice = _read_json(text)
    except json.JSONDecodeError as err:
        return Verdict("unknown", f"It is no JSON: line {err.lineno} cannot be read.")
    except ValueError:
        return Verdict("unknown", "It is no JSON of a receipt.")
    if not isinstance(receipt, dict) or receipt.get("format") != FORMAT:
        return Verdict("unknown", "It is no receipt.")
    signature = receipt.get("signature")
    if not isinstance(signature, dict):
        return Verdict("unknown", "It has no signature.")
    key = known_key(str(signature.get("key", "")))
    if key is None:
        return Verdict("unknown", "It was signed with a key that is not known here.")
    head, items = split(receipt)
    if twice:
        reason = f"{_name(head)} is not as it was signed."
        differences = [f"{name} stands there more than once." for name in twice]
        return Verdict("changed", reason, differences[:_MOST_DIFFERENCES])
    seal = Seal(key)
    found = [seal.add(head), *(seal.add(item) for item in items)]
    signed = signature.get("seals")
    whole = equal(signature.get("value"), seal.signature())
    # Nothing signs the signature itself: what does not belong there was added.
    added = [name for name in signature if name not in SIGNATURE_FIELDS]
    if whole and signed == found and signature.get("algorithm") == ALGORITHM and not added:
        return Verdict("valid", f"{_name(head)}: {head.get('statement')}. Issued {head['issued']}.")
    differences = [f"signature, {name}: it was added." for name in added]
    if not (added and whole and signed == found):
        differences += _json_differences(head, items, found, signed)
    reason = f"{_name(head)} is not as it was signed."
    return Verdict("changed", reason, differences[:_MOST_DIFFERENCES])


def split(receipt: Fields) -> tuple[Fields, list[Fields]]:
    """Head and items of a receipt that was read from JSON."""
    key = items_key(receipt)
    items = receipt.get(key)
    # What is no list of items counts as a part of the head, which was signed without it.
    apart = (key, "signature") if isinstance(items, list) else ("signature",)
    head = {name: value for name, value in receipt.items() if name not in apart}
    return head, items if isinstance(items, list) else []


def _json_differences(
    head: Fields, items: list[Fields], found: list[str], signed: object
) -> list[str]:
    signed = signed if isinstance(signed, list) else []
    places = [
        number
        for number, (one, other) in enumerate(zip_longest(found, signed))
        if not equal(other, one or "")
    ]
    truth = recorded(head)
    differences: list[str] = []
    for number in places:
        if number == 0:
            differences += _against("", head, truth.head if truth else None, "the head")
        elif number > len(items):
            differences.append(f"{_item_name(head, number)} is missing.")
        else:
            known = truth.item(number - 1) if truth else None
            name = _item_name(head, number)
            differences += _against(name, items[number - 1], known, name)
    if not places:
        differences.append("The signature itself.")
    return differences[:_MOST_DIFFERENCES]


def _against(prefix: str, value: Any, known: Any, name: str) -> list[str]:
    """How a part differs from what is recorded now; the seal says only that it was changed."""
    if known is None:
        return [f"Something in {name}; it is not recorded any more what stood there."]
    found = list(_differences(prefix, value, known))
    return found or [f"Something in {name}, which is as it is recorded now."]


def _differences(path: str, value: Any, known: Any) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(known, dict):
        for name in {**known, **value}:
            where = f"{path}, {name}" if path else str(name)
            yield from _differences(where, value.get(name), known.get(name))
    elif isinstance(value, list) and isinstance(known, list):
        for number, (one, other) in enumerate(zip_longest(value, known), 1):
            yield from _differences(f"{path} {number}", one, other)
    elif value != known:
        yield f"{path}: it says {value!r}, recorded is {known!r}."


def _name(head: Fields) -> str:
    return f"The receipt of {head.get('receipt')} {head.get(str(head.get('receipt')))}"


def _item_name(head: Fields, number: int) -> str:
    return f"{'series' if head.get('receipt') == 'task' else 'task'} {number}"


# CSV


def _verify_csv(text: str) -> Verdict:
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error:
        return Verdict("unknown", "It is no CSV of a receipt.")
    heads = [row for row in rows if row[0] == HEAD_MARK]
    signatures = [row for row in rows if row[0] == SIGNATURE_MARK]
    if not heads and not signatures:
        return Verdict("unknown", "It is no receipt.")
    if len(heads) != 1 or len(signatures) != 1 or len(signatures[0]) != 4 or len(heads[0]) != 2:
        return Verdict("unknown", "Its signature is missing or incomplete.")
    key = known_key(signatures[0][2])
    if key is None:
        return Verdict("unknown", "It was signed with a key that is not known here.")
    try:
        head, twice = _read_json(heads[0][1])
    except ValueError:
        head, twice = None, []
    if not isinstance(head, dict) or twice:
        return Verdict("changed", "The receipt is not as it was signed.", ["Its head."])
    body = rows[:-2]
    if rows[-2:] != [*heads, *signatures] or not body:
        text = "Head and signature are not its last two rows."
        return Verdict("changed", "The receipt is not as it was signed.", [text])
    seal = Seal(key)
    seal.add(head)
    differences = []
    truth = recorded(head)
    known_rows = truth.rows() if truth else iter(())
    for number, row in enumerate(body):
        own = row if number == 0 else row[:-1]
        value = seal.add(own)
        known = next(known_rows, None)
        if number and not equal(row[-1], value) and len(differences) < _MOST_DIFFERENCES:
            differences += _cells(number, body[0], own, known)
    whole = equal(signatures[0][3], seal.signature())
    if whole and not differences and signatures[0][1] == ALGORITHM:
        return Verdict("valid", f"{_name(head)}: {head.get('statement')}. Issued {head['issued']}.")
    if next(known_rows, None) is not None:
        differences.append("Rows are missing.")
    return Verdict(
        "changed",
        f"{_name(head)} is not as it was signed.",
        differences or ["Its head, the names of its columns, or its signature."],
    )


def _cells(number: int, header: list[str], row: list[str], known: list[str] | None) -> list[str]:
    if known is None:
        return [f"Row {number}."]
    pairs = zip_longest(header, row, known, fillvalue="")
    found = [f"Row {number}, {h}: it says {a!r}, recorded is {b!r}." for h, a, b in pairs if a != b]
    return found or [f"Row {number} stands at another place, or its seal was changed."]


# PDF

_ATTACHMENT = re.compile(rb"/Type /EmbeddedFile.*?>>\s*stream\r?\n(.*?)\r?\nendstream", re.S)
_PAGE_TEXT = re.compile(rb"\(((?:\\.|[^\\)])*)\) Tj")


def _verify_pdf(data: bytes) -> Verdict:
    start = data.rfind(PDF_MARK)
    if start < 0:
        if CREATOR.encode() in data:
            text = "Its signature line is gone: it was changed, or saved anew by another program."
            return Verdict("changed", text)
        return Verdict("unknown", "It is no receipt.")
    pages, rest = data[:start], data[start + len(PDF_MARK) :]
    line, _, behind = rest.partition(b"\n")
    fields = line.split()
    key = known_key(fields[0].decode("ascii", "replace")) if len(fields) == 2 else None
    if key is None:
        return Verdict("unknown", "It was signed with a key that is not known here.")
    if behind.strip():
        return Verdict("changed", "Something was added after its signature.")
    attached = _attachment(pages)
    if equal(fields[1].decode("ascii", "replace"), sign_bytes(key, pages)):
        inner = _verify_json(attached.decode(errors="replace")) if attached else None
        return Verdict("valid", inner.reason if inner else "It is as it was signed.")
    return _changed_pdf(pages, attached)


def _attachment(pages: bytes) -> bytes:
    found = _ATTACHMENT.search(pages)
    return found.group(1) if found else b""


def _changed_pdf(pages: bytes, attached: bytes) -> Verdict:
    reason = "The file is not as it was signed."
    inner = _verify_json(attached.decode(errors="replace"))
    if inner.result != "valid":
        differences = inner.differences or [inner.reason]
        return Verdict("changed", reason, [f"In the attached receipt: {d}" for d in differences])
    original = render_pages(json.loads(attached), attached)
    differences = []
    texts = zip_longest(_PAGE_TEXT.findall(pages), _PAGE_TEXT.findall(original))
    for found, signed in texts:
        if found != signed:
            differences.append(f"It says {_readable(found)}, signed was {_readable(signed)}.")
    return Verdict(
        "changed", reason, differences[:_MOST_DIFFERENCES] or ["Something that is not text."]
    )


def _readable(text: bytes | None) -> str:
    return repr((text or b"").decode("latin-1"))
