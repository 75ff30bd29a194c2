"""An acceptor: one of the processes of a receiver that take associations."""

import socket
from collections.abc import Callable
from functools import partial

from pydicom import config as pydicom_config

from adit.core.dicom import CommitmentReport

from .allowlist import AllowListFile
from .associations import AssociationCounter
from .child import Child
from .commitments import ForeignReport, enter_report
from .configuration import ReceiverConfig
from .refusals import Reason, Refusal, Refusals
from .registry import Entry, Registry
from .scp import Doorkeeping, StoreScp
from .session import Arrival


class Acceptor:
    """What an acceptor process does, from the fork to its end."""

    def __init__(
        self,
        config: ReceiverConfig,
        slot: int,
        listener: socket.socket,
        associations: AssociationCounter,
    ) -> None:
        self._config = config
        self._slot = slot
        self._listener = listener
        self._associations = associations
        self._spool = config.spool(slot)

    def run(self, child: Child) -> None:
        """Serve until the receiver stops."""
        config = self._config
        # Some senders propose thousands of transfer syntaxes in each association. Their UIDs are
        # looked at in `choose_contexts`; another check of each cost more than an instance.
        pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
        refusals = Refusals(config.name)
        registry = Registry(self._spool, refusals)

        def refused(refusal: Refusal) -> None:
            refusals.add(refusal)
            registry.flush()

        scp = StoreScp(
            self._listener,
            spool=self._spool,
            keep=partial(self._keep, registry),
            keep_report=partial(self._keep_report, registry, refused),
            doorkeeping=Doorkeeping(
                ae_title=config.ae_title,
                event_titles=config.event_titles,
                allowed=AllowListFile(config.spool_folder).read,
                check_caller=config.check_caller,
                check_address=config.check_address,
            ),
            associations=self._associations,
            slot=self._slot,
            refused=refused,
            ssl_context=config.store_tls.ssl_context() if config.store_tls else None,
        )
        scp.start()
        child.ready()
        child.wait()
        scp.stop(config.drain_seconds)
        registry.stop()

    def _keep(self, registry: Registry, arrival: Arrival) -> None:
        file = arrival.file
        study, series = self._spool.study_and_series(file, arrival.transfer_syntax_uid)
        registry.enter(
            Entry(
                receiver=self._config.name,
                path=file.name,
                sop_class_uid=arrival.sop_class_uid,
                sop_instance_uid=arrival.sop_instance_uid,
                study_instance_uid=study,
                series_instance_uid=series,
                transfer_syntax_uid=arrival.transfer_syntax_uid,
                calling_ae_title=arrival.calling_ae_title,
                address=arrival.address,
                called_ae_title=arrival.called_ae_title,
                move_originator_ae_title=arrival.move_originator_ae_title,
                move_originator_message_id=arrival.move_originator_message_id,
                size=file.size,
                sha256=file.sha256,
            )
        )

    def _keep_report(
        self,
        registry: Registry,
        refused: Callable[[Refusal], None],
        report: CommitmentReport,
        sender: str,
        address: str,
    ) -> None:
        name = self._config.name
        try:
            registry.call(
                lambda connection: enter_report(connection, report, sender, name, address)
            )
        except ForeignReport:
            refused(Refusal(Reason.REPORT, address, sender))
            raise
