"""The nouns of the system, one a file."""

from adit.core.models.archives import JobArchive
from adit.core.models.events import TaskEvent
from adit.core.models.jobs import DicomJob
from adit.core.models.ledger import SeriesTransfer
from adit.core.models.limits import JobKindSettings, ServerHours, ServerPace, ServerTurn
from adit.core.models.nodes import DicomFolder, DicomNode, DicomNodeGroupAccess, DicomServer
from adit.core.models.profiles import DeidProfile
from adit.core.models.received_instances import ReceivedInstance
from adit.core.models.received_reports import ExpectedReport, ReceivedReport
from adit.core.models.receivers import Receiver, RefusedSender
from adit.core.models.routes import DirectMoveRoute
from adit.core.models.tasks import DicomTask, TaskResult
from adit.core.models.transfers import TransferJob, TransferTask
from adit.core.models.workers import Worker

__all__ = [
    "DeidProfile",
    "DicomFolder",
    "DicomJob",
    "DicomNode",
    "DicomNodeGroupAccess",
    "DicomServer",
    "DicomTask",
    "ExpectedReport",
    "JobKindSettings",
    "DirectMoveRoute",
    "JobArchive",
    "ReceivedInstance",
    "ReceivedReport",
    "Receiver",
    "RefusedSender",
    "SeriesTransfer",
    "ServerHours",
    "ServerPace",
    "ServerTurn",
    "TaskEvent",
    "TaskResult",
    "TransferJob",
    "TransferTask",
    "Worker",
]
