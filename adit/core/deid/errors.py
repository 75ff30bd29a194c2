"""Why an object cannot be de-identified. All of these are permanent: a retry changes nothing."""

from __future__ import annotations

import traceback
from pathlib import Path


class DeidentificationError(Exception):
    """The object was not de-identified and must not be delivered. Carries no identifier."""


class MalformedDataset(DeidentificationError):
    """The bytes are not a data set in the transfer syntax that was named (PS3.5 7)."""


class TruncatedDataset(MalformedDataset):
    """The bytes end in the middle of an element."""


class InflatesTooFar(DeidentificationError):
    """A few deflated bytes become so many that memory and disk would not hold them."""


class TooManyIdentifiers(DeidentificationError):
    """An object tells so many names and ids that nobody can look for all of them."""

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(
            f"The object tells {count} words of names, ids and addresses; no more than {limit} can "
            "be looked for in it. Exclude objects of its kind in the profile, or split it."
        )


class ExcludedModality(DeidentificationError):
    """The profile does not let objects of this modality pass."""

    def __init__(self, modality: str) -> None:
        super().__init__(f"The profile excludes objects of modality {modality}.")
        self.modality = modality


def unexpected(error: Exception) -> DeidentificationError:
    """Stands for any other exception: tells its kind and place, and nothing of its text."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return DeidentificationError(
        f"The engine does not know what to do with the object ({type(error).__name__}{place}). "
        "Keep it, and report this line."
    )
