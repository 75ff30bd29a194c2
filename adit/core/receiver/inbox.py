"""How a worker gets what receivers have taken in for it."""

import contextlib
import logging
import time
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path

from django.conf import settings

from adit.core.dicom import (
    DicomInstance,
    MalformedDataSet,
    ServerConfig,
    same_patient,
)

from .carrier import Carrier, Corrupt, Unreachable
from .claims import ClaimDesk, Claimed, Expectation

SPILL_THRESHOLD = 8 * 1024 * 1024
_CLAIM_AT_ONCE = 32
_MOST_DOUBLES = 1000
_REFRESH_AFTER_SECONDS = 600
# Only a safety net: notifications announce what arrives, but not what others give back.
_LOOK_AGAIN_SECONDS = 1.0
_AVOID_SECONDS = 10.0
# While instances come one after the other, a few are claimed together: each claim costs as much.
_GATHER_SECONDS = 0.05

logger = logging.getLogger(__name__)


class ReceiverInbox:
    """The inbox of a worker; `adit.core.dicom.IncomingInstances` on PostgreSQL."""

    def __init__(
        self,
        *,
        spill_folder: Path | None = None,
        spill_threshold: int = SPILL_THRESHOLD,
        shared_spool: bool | None = None,
    ) -> None:
        """Prepare to take over instances.

        Args:
            spill_folder: Where instances above the threshold go; without it all stay in memory.
            shared_spool: Whether to look for the files under the receiver's path first, which
                succeeds on the receiver's host and where hosts share a disk; None leaves it to the
                settings.
        """
        self._spill_folder = spill_folder
        self._spill_threshold = spill_threshold
        shared = settings.RECEIVER_SHARED_SPOOL if shared_spool is None else shared_spool
        self._shared_spool = shared

    @contextlib.contextmanager
    def expect(
        self,
        *,
        study_instance_uid: str,
        series_instance_uids: Collection[str] | None,
        sop_instance_uids: Collection[str] | None,
        message_id: int,
        calling_ae_title: str,
        server: ServerConfig,
        patient_id: str = "",
        others_too: bool = False,
    ) -> Iterator["ReceivedStream"]:
        """Announce what a C-MOVE is to bring, and take it over while the context is open."""
        series, instances = series_instance_uids, sop_instance_uids
        expectation = Expectation(
            study_instance_uid=study_instance_uid,
            series_instance_uids=None if series is None else frozenset(series),
            sop_instance_uids=None if instances is None else frozenset(instances),
            message_id=message_id,
            calling_ae_title=calling_ae_title,
            server=server,
            others_too=others_too,
        )
        with contextlib.ExitStack() as stack:
            desk = stack.enter_context(contextlib.closing(ClaimDesk(expectation)))
            carrier = Carrier(
                desk.receiver,
                key=settings.FILE_TRANSMIT_KEY,
                spill_folder=self._spill_folder,
                spill_threshold=self._spill_threshold,
                shared=self._shared_spool,
                ca=Path(ca) if (ca := settings.FILE_TRANSMIT_TLS_CA) else None,
            )
            stack.enter_context(contextlib.closing(carrier))
            stream = ReceivedStream(desk, carrier, patient_id)
            yield stack.enter_context(contextlib.closing(stream))


class ReceivedStream:
    """What arrived for one C-MOVE; used by one thread at a time.

    Attributes:
        doubles: How many copies came beside those that were taken, of the same content.
        conflicting: SOP Instance UIDs of those that came with another content, too.
        strangers: The AE title of the sender, by SOP Instance UID, where the version that was taken
            came from one that is not known, and then the server's own came.
    """

    def __init__(self, desk: ClaimDesk, carrier: Carrier, patient_id: str = "") -> None:
        """`patient_id`: whose instances are taken where their sender is not known; "": any."""
        self._desk = desk
        self._carrier = carrier
        self._patient_id = patient_id
        self._claimed: deque[Claimed] = deque()
        self._claimed_at = 0.0
        self._taken: list[Claimed] = []
        self._avoided: dict[str, float] = {}
        self._was_alone = True
        self.doubles = 0
        self.conflicting: set[str] = set()
        self.strangers: dict[str, str] = {}
        self._unknown: dict[str, str] = {}

    def destination(self) -> str:
        """The AE title of the receiver that the C-MOVE should name; "" where none is known.

        Chosen for each C-MOVE anew, so that a dead receiver is passed over.
        """
        return self._desk.destination()

    def take(self, timeout: float) -> DicomInstance | None:
        """Wait for the next instance and take it over; None after so many seconds."""
        deadline = time.monotonic() + timeout
        while True:
            while self._claimed:
                if instance := self._take_over(self._claimed.popleft()):
                    return instance
            self._acknowledge()
            since = time.monotonic() - self._claimed_at
            if since < _GATHER_SECONDS:
                time.sleep(_GATHER_SECONDS - since)
            self._claimed.extend(self._desk.claim(_CLAIM_AT_ONCE, self._avoid()))
            self._claimed_at = time.monotonic()
            if self._claimed:
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if not self._desk.wait(min(left, _LOOK_AGAIN_SECONDS)):
                self._settle_doubles()

    def close(self) -> None:
        """Acknowledge what was taken; what is only claimed goes back to the receiver."""
        while self._claimed:
            self._desk.release(self._claimed.popleft())
        self._settle_doubles()
        self._acknowledge()

    def _settle_doubles(self) -> None:
        """Leave nothing behind that came twice: no other task is to get it."""
        self._was_alone = self._was_alone and self._desk.is_alone()
        for row in self._desk.claim_doubles(_MOST_DOUBLES, self._avoid()):
            before = self._desk.take(row.sop_instance_uid, row.sha256)
            self._settle_double(row, before, counts=row.mine or self._was_alone)

    def _avoid(self) -> list[str]:
        """Receivers that could not be reached a moment ago."""
        now = time.monotonic()
        self._avoided = {name: until for name, until in self._avoided.items() if until > now}
        return list(self._avoided)

    def _take_over(self, row: Claimed) -> DicomInstance | None:
        if row.receiver in self._avoided:
            self._desk.release(row)
            return None
        if time.monotonic() - self._claimed_at > _REFRESH_AFTER_SECONDS and (
            not self._desk.refresh(row)
        ):
            return None
        if before := self._desk.take(row.sop_instance_uid, row.sha256):
            if row.mine:
                self._settle_double(row, before, counts=True)
            else:
                self._desk.release(row)
            return None
        if (instance := self._fetch(row)) is None:
            return None
        if not _is_whole(instance):
            # Whoever asked for it is told by the instance itself; the file is kept to be looked at.
            logger.warning("An instance came that is cut off or not readable; see quarantine.")
            self._desk.set_aside(row)
            self._desk.forget(row.sop_instance_uid)
            return instance
        if not row.known and self._patient_id and not self._is_of_patient(instance):
            logger.warning("A sender that is not known sent another patient's; see quarantine.")
            instance.discard()
            self._desk.set_aside(row)
            self._desk.forget(row.sop_instance_uid)
            return None
        if not row.known:
            self._unknown[row.sop_instance_uid] = row.calling_ae_title
        self._taken.append(row)
        return instance

    def _is_of_patient(self, instance: DicomInstance) -> bool:
        try:
            return same_patient(instance.identifiers().patient_id, self._patient_id)
        except MalformedDataSet:
            return False

    def _settle_double(self, row: Claimed, before: str, *, counts: bool) -> None:
        if row.sha256 == before:
            self._taken.append(row)  # sent twice for us: once is enough
            self.doubles += counts
        else:
            logger.warning(
                "One SOP Instance UID came twice with different content; see quarantine."
            )
            self._desk.set_aside(row)
            self.conflicting.add(row.sop_instance_uid)
            if row.known and (title := self._unknown.get(row.sop_instance_uid)):
                self.strangers[row.sop_instance_uid] = title

    def _fetch(self, row: Claimed) -> DicomInstance | None:
        """What arrived; None where it has to be asked for again."""
        try:
            return self._carrier.fetch(row)
        except FileNotFoundError:
            logger.error("A received instance has lost its file; it is asked for again.")
            self._desk.remove([row])
        except Corrupt:
            logger.error("A received instance is damaged; it is quarantined and asked for again.")
            self._desk.set_aside(row)
        except Unreachable:
            # It is served when the receiver is back. Others go on, and what stays missing is
            # asked for again through one that lives.
            logger.warning("The receiver %s cannot be reached.", row.receiver)
            self._avoided[row.receiver] = time.monotonic() + _AVOID_SECONDS
            self._carrier.forget(row.receiver)
            self._desk.release(row)
        self._desk.forget(row.sop_instance_uid)
        return None

    def _acknowledge(self) -> None:
        """Have the files deleted, then the rows; whatever fails is left to the receivers."""
        taken, self._taken = self._taken, []
        self._desk.hand_back(taken)
        self._desk.remove([row for row in taken if self._carrier.discard(row)])


def _is_whole(instance: DicomInstance) -> bool:
    """Whether the data set can be read to its end; what was seen is kept for who looks next."""
    if not instance.size:
        return False
    try:
        instance.surveyed = instance.survey()
    except MalformedDataSet:
        return False
    return instance.surveyed.whole
