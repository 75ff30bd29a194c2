"""Speaks to PACS."""

from adit.core.dicom.cancel import Canceled, CancelToken
from adit.core.dicom.config import (
    LocalConfig,
    QueryProtocol,
    RetrieveProtocol,
    ServerConfig,
    StoreProtocol,
    TlsConfig,
)
from adit.core.dicom.errors import DicomError, PermanentDicomError, TransientDicomError

__all__ = [
    "CancelToken",
    "Canceled",
    "DicomError",
    "LocalConfig",
    "PermanentDicomError",
    "QueryProtocol",
    "RetrieveProtocol",
    "ServerConfig",
    "StoreProtocol",
    "TlsConfig",
    "TransientDicomError",
]
