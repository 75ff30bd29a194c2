"""How sockets are tuned: without it each answer waits some 40 ms for a delayed acknowledgement."""

import socket

import pytest
from pynetdicom import AE, evt

from adit.core.dicom import CancelToken, LocalConfig, tuning_handlers
from adit.core.dicom.contexts import query_contexts
from adit.core.dicom.dimse.association import Association
from adit.core.dicom.dimse.find import VERIFICATION
from adit.core.dicom.tests.scripted_peer import Conversation, scripted

pytestmark = pytest.mark.integration


def options(sock):
    return (
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0,
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0,
    )


def test_what_we_open_sends_at_once_and_stays_alive():
    def serve(peer: Conversation) -> None:
        peer.accept()
        peer.serve_release()

    with scripted(serve) as peer:
        association = Association.open(
            peer.config(), LocalConfig(), query_contexts([VERIFICATION]), CancelToken()
        )
        assert options(association._socket) == (True, True)
        association.release()


def test_what_we_accept_sends_at_once_and_stays_alive():
    seen = []

    def look(event):
        seen.append(options(event.assoc.dul.socket.socket))
        return 0

    ae = AE("ACCEPTOR")
    ae.add_supported_context(VERIFICATION)
    handlers = [*tuning_handlers(), (evt.EVT_C_ECHO, look)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        client = AE("REQUESTOR")
        client.add_requested_context(VERIFICATION)
        port = int(server.server_address[1])
        association = client.associate("127.0.0.1", port)
        assert association.send_c_echo().Status == 0
        association.release()
    finally:
        server.shutdown()
    assert seen == [(True, True)]
