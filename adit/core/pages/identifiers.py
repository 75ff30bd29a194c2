"""Database ids in addresses."""

MAX_IDS = 100


def id_list(text: str) -> list[int]:
    """`1,2,3` as numbers; what is no number is left out, and no more than a page has rows."""
    words = text.split(",")[:MAX_IDS]
    return [int(word) for word in words if word.isascii() and word.isdecimal() and len(word) < 19]
