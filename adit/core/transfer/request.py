"""What a transfer task asks for, free of the database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TransferRequest:
    """One study, or some of its series, to be moved.

    Attributes:
        series_instance_uids: the wanted series; empty for the whole study.
        excluded_modalities: series of these modalities stay behind (PS3.3 C.7.3.1.1.1).
        pseudonymize: whether anything is changed on the way.
        convert_to_nifti: whether series without pixels stay behind.
    """

    patient_id: str
    study_instance_uid: str
    series_instance_uids: tuple[str, ...] = ()
    excluded_modalities: frozenset[str] = frozenset()
    pseudonymize: bool = False
    convert_to_nifti: bool = False
