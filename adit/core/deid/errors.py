"""Why an object cannot be de-identified. All of these are permanent: a retry changes nothing."""

from __future__ import annotations


class DeidentificationError(Exception):
    """The object was not de-identified and must not be delivered. Carries no identifier."""


class MalformedDataset(DeidentificationError):
    """The bytes are not a data set in the transfer syntax that was named (PS3.5 7)."""


class TruncatedDataset(MalformedDataset):
    """The bytes end in the middle of an element."""


class ExcludedModality(DeidentificationError):
    """The profile does not let objects of this modality pass."""

    def __init__(self, modality: str) -> None:
        super().__init__(f"The profile excludes objects of modality {modality}.")
        self.modality = modality
