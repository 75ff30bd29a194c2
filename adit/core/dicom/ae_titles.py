"""AE titles (PS3.5 6.2): what they may hold."""

from __future__ import annotations

from .errors import PermanentDicomError

_MOST = 16


def checked(title: str, whose: str) -> str:
    """The title without the spaces around it, which have no meaning.

    Args:
        title: The AE title.
        whose: The start of a sentence that says which one it is, as "The AE title of PACS".

    Raises:
        PermanentDicomError: If it is none: 1 to 16 printable characters of the default repertoire
            (ISO_IR 6), and no backslash.
    """
    bare = title.strip(" ")
    if 1 <= len(bare) <= _MOST and all(" " <= sign <= "~" and sign != "\\" for sign in bare):
        return bare
    raise PermanentDicomError(
        f"{whose} is not valid: {title!r}.",
        code="AE title",
        advice="It has 1 to 16 characters: letters without accents, digits, space and signs, but "
        "no backslash (PS3.5 6.2, AE).",
    )
