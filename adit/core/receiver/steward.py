"""The steward of a receiver: a process that hands out files, keeps house and says that it lives."""

import contextlib
import logging
import re
import secrets
import socket
import threading
import time

import psycopg
from django import db
from django.db import connection

from . import housekeeping
from .addresses import TOKEN_FILE
from .allowlist import AllowListFile, AllowListMaker
from .child import Child
from .configuration import ReceiverConfig
from .leftovers import discard_late_copies
from .server import FileTransmitServer

HEARTBEAT_SECONDS = 5.0
_ALLOW_LIST_SECONDS = 2.0
_HOUSE_SECONDS = 10.0
_SWEEP_SECONDS = 120.0
# Of the files that are younger the row may just be on its way.
_UNDER_WAY_SECONDS = 2.0
_START_PAUSE = 1.0
_TOKEN = re.compile(r"[0-9a-f]{32}")

logger = logging.getLogger(__name__)

_ERRORS = (db.Error, psycopg.Error)


class Steward:
    """What the steward's process does, from the fork to its end."""

    def __init__(self, config: ReceiverConfig, listener: socket.socket, *, first: bool) -> None:
        """Prepare.

        Args:
            first: Nothing arrives yet, so all that has no row can be deleted.
        """
        self._config = config
        self._listener = listener
        self._first = first
        self._spool = config.spool()
        self._token = ""
        self._takes = True

    def run(self, child: Child) -> None:
        """Put the spool in order, then keep it so until the receiver stops."""
        config = self._config
        self._token = self._lasting_token()
        if not self._begin(child):
            return
        transmit_tls = config.transmit_tls
        server = FileTransmitServer(
            self._spool,
            config.key,
            self._listener,
            ssl_context=transmit_tls.ssl_context() if transmit_tls else None,
        )
        server.start()
        threading.Thread(target=self._watch_senders, name="allow-list", daemon=True).start()
        child.ready()
        self._keep(child)
        server.stop()
        self._say_goodbye()

    def _lasting_token(self) -> str:
        """The token in the spool, the same after a restart, so that no worker is confused."""
        path = self._spool.folder / TOKEN_FILE
        with contextlib.suppress(OSError, ValueError):
            if _TOKEN.fullmatch(token := path.read_text()):
                return token
        path.write_text(token := secrets.token_hex(16))
        return token

    def _begin(self, child: Child) -> bool:
        """Wait for the database and for the name; False when the receiver is to stop before."""
        warned = False
        while True:
            try:
                if housekeeping.is_named_alike(self._config.name, self._token):
                    if not warned:
                        logger.error(
                            "Another receiver named %s lives: give each a RECEIVER_NAME of its"
                            " own. This one waits until the other ends.",
                            self._config.name,
                        )
                    warned = True
                    if child.wait(_START_PAUSE):
                        return False
                    continue
                settled = 0 if self._first else _UNDER_WAY_SECONDS
                housekeeping.sweep(self._config.name, self._spool, settled_seconds=settled)
                self._make_list(AllowListMaker(self._config.further_senders))
                self._beat()
                return True
            except _ERRORS as error:
                logger.warning("The database is awaited: %s", type(error).__name__)
                connection.close()
            if child.wait(_START_PAUSE):
                return False

    def _keep(self, child: Child) -> None:
        house = swept = time.monotonic()
        lost_database = False
        while not child.wait(HEARTBEAT_SECONDS):
            try:
                self._beat()
                if lost_database:
                    # PostgreSQL may have lost the last rows, and tasks wait for them.
                    housekeeping.sweep(
                        self._config.name, self._spool, settled_seconds=_UNDER_WAY_SECONDS
                    )
                    lost_database = False
                if time.monotonic() - house >= _HOUSE_SECONDS:
                    house = time.monotonic()
                    self._keep_house()
                if time.monotonic() - swept >= _SWEEP_SECONDS:
                    swept = time.monotonic()
                    housekeeping.sweep(self._config.name, self._spool)
            except _ERRORS as error:
                logger.warning("The database was not reached: %s", type(error).__name__)
                connection.close()
                lost_database = True
            except OSError as error:
                logger.warning("The spool could not be put in order: %s", type(error).__name__)

    def _beat(self) -> None:
        config = self._config
        takes = self._spool.has_space()
        if takes != self._takes:
            self._takes = takes
            logger.warning("The disk is %s the reserve.", "above" if takes else "below")
        housekeeping.heartbeat(
            config.name,
            ae_title=config.ae_title,
            host=config.advertised_host,
            port=self._listener.getsockname()[1],
            spool=self._spool,
            fingerprint=config.transmit_tls.fingerprint() if config.transmit_tls else "",
            token=self._token,
            takes=takes,
        )

    def _keep_house(self) -> None:
        config = self._config
        discard_late_copies(config.name)
        housekeeping.delete_discarded(config.name, self._spool)
        housekeeping.release_lapsed_claims()
        housekeeping.quarantine(config.name, config.quarantine_after)
        housekeeping.delete_quarantined(config.name, self._spool, config.delete_after)
        housekeeping.forget_old_records()

    def _say_goodbye(self) -> None:
        # Without it the heartbeat ends all the same.
        with contextlib.suppress(*_ERRORS):
            housekeeping.stopped(self._config.name)

    def _watch_senders(self) -> None:
        """Keep the allow-list up to date; in a thread, because resolving names may take long."""
        maker = AllowListMaker(self._config.further_senders)
        while True:
            time.sleep(_ALLOW_LIST_SECONDS)
            try:
                self._make_list(maker)
            except (*_ERRORS, OSError) as error:
                logger.warning("The senders could not be read: %s", type(error).__name__)
                connection.close()

    def _make_list(self, maker: AllowListMaker) -> None:
        AllowListFile(self._spool.folder).write(maker.make())
