"""Speaks DICOM with PACS: DIMSE and DICOMweb behind one operator. Knows no Django."""

from .cancel import Canceled, CancelToken
from .commitment import (
    CommitmentReport,
    CommitmentReports,
    CommitmentResult,
    ReportStream,
    read_report,
)
from .config import (
    AssociationGate,
    LocalConfig,
    QueryProtocol,
    RetrieveProtocol,
    ServerConfig,
    StoreProtocol,
    TlsConfig,
)
from .dicom_operator import DicomOperator
from .dimse import RetrieveReport
from .errors import DicomError, PermanentDicomError, TransientDicomError
from .gate import Pace
from .header import (
    Identifiers,
    MalformedDataSet,
    has_implicit_vr,
    is_deflated,
    read_identifiers,
    read_values,
    same_patient,
)
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
    "CommitmentReport",
    "CommitmentReports",
    "CommitmentResult",
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
    "ReportStream",
    "ResultStream",
    "RetrieveProtocol",
    "RetrieveReport",
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
    "has_implicit_vr",
    "is_deflated",
    "read_identifiers",
    "read_part10",
    "read_report",
    "read_values",
    "same_patient",
    "tune_socket",
    "tuning_handlers",
]
