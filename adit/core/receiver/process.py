"""The receiver process: Storage SCP, FileTransmit server, housekeeping."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from django.db import Error, connection

from . import housekeeping
from .registry import Entry, Registry
from .scp import StoreScp
from .server import FileTransmitServer
from .session import Arrival
from .spool import Spool

HEARTBEAT_SECONDS = 10
_SWEEP_EVERY = 30  # heartbeats

logger = logging.getLogger(__name__)


class ReceiverProcess:
    """One receiver. Start it, let it run, stop it."""

    def __init__(
        self,
        *,
        name: str,
        ae_title: str,
        store_address: tuple[str, int],
        transmit_address: tuple[str, int],
        advertised_host: str,
        key: str,
        spool_folder: Path,
        reserve_bytes: int,
        quarantine_after: timedelta,
        delete_after: timedelta,
        max_associations: int = 100,
        is_caller_allowed: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Put the parts together.

        Args:
            advertised_host: Under which workers of other hosts reach this one.
            reserve_bytes: Space on the disk below which C-STORE answers A700.
        """
        self.name = name
        self.spool = Spool(spool_folder, reserve_bytes=reserve_bytes)
        self._advertised_host = advertised_host
        self._quarantine_after = quarantine_after
        self._delete_after = delete_after
        self._stopping = threading.Event()
        self._registry: Registry | None = None
        self.transmit = FileTransmitServer(
            self.spool, key, host=transmit_address[0], port=transmit_address[1]
        )
        self.scp = StoreScp(
            ae_title=ae_title,
            host=store_address[0],
            port=store_address[1],
            spool=self.spool,
            keep=self._keep,
            is_caller_allowed=is_caller_allowed,
            max_associations=max_associations,
        )

    def start(self) -> None:
        """Put the spool in order, then open the ports.

        Raises:
            SpoolError: Another process uses the spool.
            OSError: A port is taken.
        """
        self.spool.lock()
        self.spool.sweep_partial_files()
        housekeeping.sweep(self.name, self.spool, settled_seconds=0)
        self._registry = Registry(self.spool)
        self.transmit.start()
        self._beat()
        self.scp.start()

    def run(self) -> None:
        """Keep house until `request_stop`, then stop."""
        beats = 0
        while not self._stopping.wait(HEARTBEAT_SECONDS):
            beats += 1
            try:
                self._beat()
                if beats % _SWEEP_EVERY == 0:
                    self._keep_house()
            except Error:
                logger.exception("The receiver cannot reach the database.")
                connection.close()
        self.stop()

    def request_stop(self) -> None:
        """Let `run` end; safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Finish what is arriving, close the ports, give the spool free."""
        self.scp.stop()
        if self._registry is not None:
            self._registry.stop()
        self.transmit.stop()
        self.spool.unlock()

    def _keep(self, arrival: Arrival) -> None:
        assert self._registry is not None
        file = arrival.file
        study, series = self.spool.study_and_series(file, arrival.transfer_syntax_uid)
        self._registry.enter(
            Entry(
                receiver=self.name,
                path=file.name,
                sop_class_uid=arrival.sop_class_uid,
                sop_instance_uid=arrival.sop_instance_uid,
                study_instance_uid=study,
                series_instance_uid=series,
                transfer_syntax_uid=arrival.transfer_syntax_uid,
                calling_ae_title=arrival.calling_ae_title,
                called_ae_title=arrival.called_ae_title,
                move_originator_ae_title=arrival.move_originator_ae_title,
                move_originator_message_id=arrival.move_originator_message_id,
                size=file.size,
                sha256=file.sha256,
            )
        )

    def _beat(self) -> None:
        housekeeping.heartbeat(
            self.name, host=self._advertised_host, port=self.transmit.port, spool=self.spool
        )

    def _keep_house(self) -> None:
        housekeeping.release_lapsed_claims()
        housekeeping.quarantine(self._quarantine_after)
        housekeeping.delete_quarantined(self.name, self.spool, self._delete_after)
        housekeeping.sweep(self.name, self.spool)
