"""Numbers of things, as people write them."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 task`, `3 tasks`; `plural` where an s would not do."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"
