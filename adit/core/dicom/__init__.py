"""Speaks DICOM with PACS: DIMSE and DICOMweb behind one operator. Knows no Django."""

from .cancel import Canceled, CancelToken
from .config import (
    LocalConfig,
    QueryProtocol,
    RetrieveProtocol,
    ServerConfig,
    StoreProtocol,
    TlsConfig,
)
from .dicom_operator import DicomOperator
from .errors import DicomError, PermanentDicomError, TransientDicomError
from .gate import AssociationGate, Pace
from .header import Identifiers, MalformedDataSet, read_identifiers, read_values
from .incoming import IncomingInstances, IncomingStream
from .instance import DicomInstance, FileSlice
from .outcomes import StoreOutcome
from .part10 import NotPart10, read_part10
from .query import DateRange, Query, TimeRange
from .results import InstanceResult, PatientResult, ResultStream, SeriesResult, StudyResult
from .sockets import tune_socket, tuning_handlers
from .spill import SpillBuffer
from .streams import Buffered, buffered

__all__ = [
    "AssociationGate",
    "Buffered",
    "CancelToken",
    "Canceled",
    "DateRange",
    "DicomError",
    "DicomInstance",
    "DicomOperator",
    "FileSlice",
    "Identifiers",
    "IncomingInstances",
    "IncomingStream",
    "InstanceResult",
    "LocalConfig",
    "MalformedDataSet",
    "NotPart10",
    "Pace",
    "PatientResult",
    "PermanentDicomError",
    "Query",
    "QueryProtocol",
    "ResultStream",
    "RetrieveProtocol",
    "SeriesResult",
    "ServerConfig",
    "SpillBuffer",
    "StoreOutcome",
    "StoreProtocol",
    "StudyResult",
    "TimeRange",
    "TlsConfig",
    "TransientDicomError",
    "buffered",
    "read_identifiers",
    "read_part10",
    "read_values",
    "tune_socket",
    "tuning_handlers",
]
