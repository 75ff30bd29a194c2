"""How the operator gets what a PACS sends to our receiver after a C-MOVE.

The receiver is another process, perhaps on another host, and knows a database; this layer knows
only these two protocols. The implementation is handed to the operator.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Protocol

from .config import ServerConfig
from .instance import DicomInstance


class IncomingStream(Protocol):
    """What arrived for one C-MOVE, in the order of arrival.

    Attributes:
        doubles: How many further copies came of what was taken. The server counts them, too.
        conflicting: SOP Instance UIDs of what came twice with different content. The second one is
            not handed over; all are known when the stream has ended.
        strangers: The AE title of the sender, by SOP Instance UID, where what was handed over came
            from one that is not known, and the server that was asked then sent another content.
    """

    doubles: int
    conflicting: set[str]
    strangers: dict[str, str]

    def destination(self) -> str:
        """AE title of the receiver that the C-MOVE should name; "" leaves it to the configuration.

        Asked once, right before the request.
        """
        ...

    def take(self, timeout: float) -> DicomInstance | None:
        """Waits for the next instance, claims it and returns it; None after `timeout` seconds.

        When it returns, the instance is with this process (its file in the spill folder, or its
        bytes), and the receiver may delete its own copy.
        """
        ...


class IncomingInstances(Protocol):
    """The receivers' inbox."""

    def expect(
        self,
        *,
        study_instance_uid: str,
        series_instance_uids: Collection[str] | None,
        sop_instance_uids: Collection[str] | None,
        message_id: int,
        calling_ae_title: str,
        server: ServerConfig,
        patient_id: str,
        others_too: bool,
    ) -> AbstractContextManager[IncomingStream]:
        """Announces what will come; None means all of the study or of the series.

        Args:
            study_instance_uid: The study that was asked for.
            series_instance_uids: The series that were asked for.
            sop_instance_uids: The instances that were asked for, where they are known.
            message_id: Message ID of the C-MOVE; some PACS repeat it as Move Originator Message ID.
            calling_ae_title: AE title that requested the C-MOVE.
            server: Who was asked: what another one sends meanwhile is no answer.
            patient_id: Whose instances were asked for: of what may not be from the server, only
                these are taken. "" where that is not known.
            others_too: The names are those that the server lists, and it may send more of the
                series, which are taken, too.
        """
        ...
