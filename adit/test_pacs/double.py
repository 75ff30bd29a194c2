"""A PACS on pynetdicom: it stands in for a real one, and misbehaves on request."""

import itertools
import socket
import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from socketserver import BaseServer
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import build_context, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE, C_STORE, N_ACTION
from pynetdicom.dsutils import decode, encode
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from .archive import Archive
from .commitment import Commitment
from .faults import Faults, FaultsFile
from .observations import Observations
from .queries import InvalidIdentifier, find
from .retrieval import Retrieval
from .sending import MAXIMUM_PDU, set_socket_options

VERIFICATION = "1.2.840.10008.1.1"
HANDSHAKE_FAILURE = bytes.fromhex("15030300020228")
"""A fatal TLS alert."""
QUERY_RETRIEVE = "1.2.840.10008.5.1.4.1.2."
"""The root of the Find, Move and Get models of patient and study root (PS3.6 Annex A)."""


class PacsDouble:
    """A PACS with C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE; a context manager.

    Attributes:
        faults: What goes wrong; may be changed while the PACS serves.
        seen: What the PACS has seen so far.
        archive: The instances that it holds.
        peers: Where C-MOVE destinations are: AE title to host and port.
    """

    def __init__(
        self,
        ae_title: str,
        folder: Path | None = None,
        *,
        instances: Iterable[Dataset] = (),
        peers: Mapping[str, tuple[str, int]] | None = None,
        faults: Faults | None = None,
        faults_file: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl_context: SSLContext | None = None,
    ) -> None:
        self.ae_title = ae_title
        self.archive = Archive(folder)
        self.archive.add_datasets(instances)
        self.peers = dict(peers or {})
        self.faults = faults or Faults()
        self.seen = Observations()
        self.stopping = threading.Event()
        self._store_numbers = itertools.count(1)
        self.host = host
        self.port = port
        self._faults_file = FaultsFile(faults_file, self.faults) if faults_file else None
        self._ssl_context = ssl_context
        self._counted: set[Association] = set()
        self._store_numbers = itertools.count(1)
        self._server: ThreadedAssociationServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; `port` then holds the port that was taken where it was 0.

        Raises:
            OSError: The port is taken.
        """
        ae = ApplicationEntity(self.ae_title)
        ae.maximum_pdu_size = MAXIMUM_PDU
        ae.maximum_associations = 10_000
        ae.network_timeout = None
        self._server = ae.make_server(
            (self.host, self.port),
            contexts=[build_context(VERIFICATION)],
            ssl_context=self._ssl_context,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, set_socket_options),
                (evt.EVT_REQUESTED, self._on_requested),
                (evt.EVT_ESTABLISHED, self._on_established),
                (evt.EVT_CONN_CLOSE, self._on_close),
            ],
            server_class=ThreadedAssociationServer,
            request_handler=partial(_Handler, self),
        )
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=self.ae_title, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port and abort what is open."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        BaseServer.shutdown(self._server)
        self._server.server_close()
        self._thread.join()
        for assoc in list(self._counted):
            assoc.abort()
        self._server = self._thread = None

    def serve(self, assoc: Association, request: Any, context_id: int) -> None:
        """Serve one DIMSE request; what the double has no own answer for, pynetdicom does."""
        services = {C_STORE: self._store, C_FIND: self._find, C_GET: self._retrieve}
        services[C_MOVE] = self._retrieve
        services[N_ACTION] = self._commit
        service = services.get(type(request))
        context = assoc._accepted_cx.get(context_id)
        if service is None or context is None or not request.is_valid_request:
            Association._serve_request(assoc, request, context_id)
            return
        assoc.dimse.cancel_req = {}
        assoc._is_paused = True  # the service reads from the association itself
        try:
            service(assoc, request, context)
        finally:
            assoc._is_paused = False

    def _store(self, assoc: Association, request: C_STORE, context: PresentationContext) -> None:
        faults = self.faults
        number = next(self._store_numbers)
        time.sleep(faults.delay)
        status = 0x0000
        if faults.refuse_every_nth_store and number % faults.refuse_every_nth_store == 0:
            status = faults.refuse_store_status
        elif not faults.forget_every_nth_store or number % faults.forget_every_nth_store:
            assert request.DataSet is not None
            self.archive.add_encoded(request.DataSet.getvalue(), context.transfer_syntax[0])
            if faults.warn_every_nth_store and number % faults.warn_every_nth_store == 0:
                status = 0xB006
        response = C_STORE()
        response.MessageIDBeingRespondedTo = request.MessageID
        response.AffectedSOPClassUID = request.AffectedSOPClassUID
        response.AffectedSOPInstanceUID = request.AffectedSOPInstanceUID
        response.Status = status
        self.seen.stored(
            str(request.AffectedSOPInstanceUID), assoc.requestor.ae_title.strip(), status
        )
        self._send(assoc, response, context)

    def _find(self, assoc: Association, request: C_FIND, context: PresentationContext) -> None:
        identifier = self._identifier("C-FIND", assoc, request, context)
        faults = self.faults
        syntax = context.transfer_syntax[0]
        try:
            for number, result in enumerate(find(self.archive, identifier, faults), start=1):
                encoded = encode(result, syntax.is_implicit_VR, syntax.is_little_endian) or b""
                while True:
                    time.sleep(faults.delay)
                    if request.MessageID in assoc.dimse.cancel_req:
                        self.seen.cancel()
                        self._answer_find(assoc, request, context, 0xFE00)
                        return
                    self._answer_find(assoc, request, context, 0xFF00, encoded)
                    if not faults.endless_pending_find:
                        break
                    if self.stopping.wait(0.01) or not assoc.dul.is_alive():
                        return
                if number == faults.result_cap:
                    break
        except InvalidIdentifier:
            self._answer_find(assoc, request, context, 0xA900)
            return
        self._answer_find(assoc, request, context, 0x0000)

    def _retrieve(
        self, assoc: Association, request: C_GET | C_MOVE, context: PresentationContext
    ) -> None:
        operation = "C-GET" if isinstance(request, C_GET) else "C-MOVE"
        identifier = self._identifier(operation, assoc, request, context)
        Retrieval(self, assoc, request, context).serve(identifier)

    def _commit(self, assoc: Association, request: N_ACTION, context: PresentationContext) -> None:
        time.sleep(self.faults.delay)
        Commitment(self, assoc, request, context).serve()

    def _identifier(
        self, operation: str, assoc: Association, request: Any, context: PresentationContext
    ) -> Dataset:
        syntax = context.transfer_syntax[0]
        identifier = decode(request.Identifier, syntax.is_implicit_VR, syntax.is_little_endian)
        self.seen.requested(operation, identifier, assoc.requestor.ae_title.strip())
        return identifier

    def _answer_find(
        self,
        assoc: Association,
        request: C_FIND,
        context: PresentationContext,
        status: int,
        identifier: bytes = b"",
    ) -> None:
        response = C_FIND()
        response.MessageIDBeingRespondedTo = request.MessageID
        response.AffectedSOPClassUID = request.AffectedSOPClassUID
        response.Status = status
        if identifier:
            response.Identifier = BytesIO(identifier)
        self._send(assoc, response, context)

    def _send(self, assoc: Association, response: Any, context: PresentationContext) -> None:
        assert context.context_id is not None
        assoc.dimse.send_msg(response, context.context_id)

    def _on_requested(self, event: evt.Event) -> None:
        """Decide on the association, and accept every storage class that the peer proposes."""
        if self._faults_file:
            self._faults_file.refresh()
        faults, assoc = self.faults, event.assoc
        requested = assoc.requestor.primitive
        assert isinstance(requested, A_ASSOCIATE)
        rejection = self._rejection(str(requested.calling_ae_title).strip())
        if rejection:
            self.seen.refused()
            assoc.acse.send_reject(*rejection)
            assoc.kill()
            return
        supported: dict[str, list[str | UID]] = {}
        for context in requested.presentation_context_definition_list:
            abstract = str(context.abstract_syntax)
            if abstract not in faults.reject_contexts:
                syntaxes = supported.setdefault(abstract, [])
                syntaxes += [s for s in context.transfer_syntax if s not in syntaxes]
        contexts = []
        for abstract, proposed in supported.items():
            syntaxes = [syntax for syntax in proposed if syntax not in faults.reject_contexts]
            if syntaxes:
                context = build_context(abstract, syntaxes)
                if abstract != VERIFICATION and not abstract.startswith(QUERY_RETRIEVE):
                    context.scu_role = context.scp_role = True
                contexts.append(context)
        assoc.acceptor.supported_contexts = contexts
        if faults.close_idle_after:
            assoc.network_timeout = faults.close_idle_after

    def _rejection(self, calling_ae_title: str) -> tuple[int, int, int] | None:
        """Result, source and diagnostic of the rejection (PS3.8 9.3.4), None to accept."""
        faults = self.faults
        if faults.refuse_associations:
            return 1, 1, 1
        if faults.refuse_next > 0:
            faults.refuse_next -= 1
            return 2, 3, 1
        if faults.max_associations and self.seen.associations_open >= faults.max_associations:
            return 2, 3, 2
        allowed = faults.allowed_calling_ae_titles
        return (1, 1, 3) if allowed and calling_ae_title not in allowed else None

    def _on_established(self, event: evt.Event) -> None:
        self._counted.add(event.assoc)
        self.seen.opened()

    def _on_close(self, event: evt.Event) -> None:
        if event.assoc in self._counted:
            self._counted.discard(event.assoc)
            self.seen.closed()


class _Handler(RequestHandler):
    """Puts the double in charge of an association's requests."""

    def __init__(self, pacs: PacsDouble, request: Any, address: Any, server: Any) -> None:
        self.pacs = pacs
        super().__init__(request, address, server)

    def handle(self) -> None:
        if self.pacs.faults.fail_tls_handshake:
            self.request.sendall(HANDSHAKE_FAILURE)
        if self.pacs.faults.close_connections or self.pacs.faults.fail_tls_handshake:
            self.request.shutdown(socket.SHUT_RDWR)
            self.request.close()
            return
        super().handle()

    def _create_association(self) -> Association:
        assoc = super()._create_association()
        setattr(assoc, "_serve_request", partial(self.pacs.serve, assoc))  # noqa: B010
        return assoc
