"""C-STORE to peers that refuse, warn or break."""

import socket
import ssl
import threading
import time

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
    TlsConfig,
    TransientDicomError,
)
from adit.core.dicom.contexts import classes_by_frequency
from adit.core.dicom.dimse import commands, pdus, pool
from adit.core.dicom.tests.certificates import Authority
from adit.core.dicom.tests.fetching import LOCAL
from adit.core.dicom.tests.samples import EXPLICIT, IMPLICIT, MR, make_instance, make_series
from adit.core.dicom.tests.scripted_peer import Conversation, scripted
from adit.core.dicom.tests.web_server import respond, web_server

pytestmark = pytest.mark.integration


def store_script(statuses, *, reject=lambda *_: False):
    """Answers with `statuses`, one after the other over all associations; None aborts."""
    left = list(statuses)

    def script(peer):
        peer.accept(reject)
        while True:
            context, request, _ = peer.receive()
            status = left.pop(0) if left else 0
            if status is None:
                peer.abort()
                return
            peer.respond(context, request, status)

    return script


def store(config, instances, local=LOCAL):
    with DicomOperator(config, local) as operator:
        return list(operator.store(instances))


def test_each_status_has_its_outcome():
    statuses = [0, 0xB000, 0xB006, 0xA700, 0x0111, 0xA900, 0xC000, 0x0124]
    with scripted(store_script(statuses)) as peer:
        outcomes = store(peer.config(), make_series(8))
        assert peer.connections == 1
    assert [o.accepted for o in outcomes] == [True] * 3 + [False] * 5
    assert [o.status for o in outcomes] == statuses
    assert [bool(o.warning) for o in outcomes] == [False, True, True] + [False] * 5
    kinds = [type(o.error) for o in outcomes[3:]]
    assert kinds == [TransientDicomError] + [PermanentDicomError] * 4
    assert "holds one with the same UID" in str(outcomes[4].error)


def test_a_rejected_context_is_said_per_instance_and_the_others_go_on():
    instances = [
        make_instance(),
        make_instance(SOPClassUID=MR),
        make_instance(syntax=IMPLICIT),
        make_instance(SOPClassUID=MR),
        make_instance(),
    ]

    def reject(sop_class, _syntax):
        return sop_class == MR

    with scripted(store_script([], reject=reject)) as peer:
        outcomes = store(peer.config(), instances)
    assert [o.accepted for o in outcomes] == [True, False, True, False, True]
    error = outcomes[1].error
    assert isinstance(error, PermanentDicomError)
    assert "MR Image Storage" in str(error)
    assert [o.instance for o in outcomes] == instances


def test_a_broken_association_is_reopened_and_nothing_is_lost():
    with scripted(store_script([0, 0, None, 0, None, 0])) as peer:
        outcomes = store(peer.config(), make_series(6))
        assert peer.connections == 3
    assert all(o.accepted for o in outcomes)
    assert len(outcomes) == 6


def test_a_fresh_association_that_breaks_at_once_fails_that_instance_only():
    with scripted(store_script([None, 0, 0])) as peer:
        outcomes = store(peer.config(), make_series(3))
    assert [o.accepted for o in outcomes] == [False, True, True]
    assert isinstance(outcomes[0].error, TransientDicomError)


def test_a_peer_that_always_breaks_is_given_up_but_each_instance_has_its_outcome():
    with scripted(store_script([None] * 100)) as peer:
        outcomes = store(peer.config(), make_series(50))
        assert peer.connections < 10
    assert len(outcomes) == 50
    assert not any(o.accepted for o in outcomes)


def test_fragments_keep_to_the_maximum_of_the_peer():
    largest = []

    def script(peer):
        peer.accept()
        command = b""
        while True:
            kind, body = peer.reader.read()
            if kind != pdus.P_DATA_TF:
                return
            largest.append(len(body))
            for context, is_command, is_last, fragment in pdus.split_values(body):
                if is_command:
                    command = bytes(fragment)
                elif is_last:
                    peer.respond(context, commands.Command(command), 0)

    with scripted(script, maximum=4096) as peer:
        (outcome,) = store(peer.config(), [make_instance(pixels=100_000)])
    assert outcome.accepted
    assert max(largest) <= 4096
    assert len(largest) > 20


def test_an_idle_association_that_the_peer_closed_is_replaced():
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        peer.respond(context, request, 0)
        peer.abort()

    with scripted(script) as peer, DicomOperator(peer.config(), LOCAL) as operator:
        for instance in make_series(3):
            (outcome,) = operator.store([instance])
            assert outcome.accepted
            time.sleep(0.1)
        assert peer.connections == 3


def kinds(count):
    """Instances of so many pairs of SOP class and transfer syntax."""
    return [
        make_instance(SOPClassUID=classes_by_frequency()[number // 2], syntax=syntax)
        for number in range(0, count, 2)
        for syntax in (EXPLICIT, IMPLICIT)
    ]


def test_a_list_of_many_kinds_in_turn_takes_as_few_associations_as_can_be():
    """Never more than 128 contexts each; they do not push each other out."""
    instances = kinds(130) + kinds(130)
    with scripted(store_script([])) as peer:
        outcomes = store(peer.config(max_associations=1), instances)
        assert peer.connections == 4
    assert [o.instance for o in outcomes] == instances
    assert all(o.accepted for o in outcomes)


@pytest.mark.parametrize(("count", "connections"), [(1, 1), (2, 2), (4, 3), (100, 3)])
def test_a_stream_of_many_kinds_does_not_open_an_association_for_each(count, connections):
    instances = kinds(count)[:count] + kinds(count)[:count]
    with scripted(store_script([])) as peer:
        outcomes = store(peer.config(max_associations=1), iter(instances))
        assert peer.connections == connections
    assert [o.instance for o in outcomes] == instances
    assert all(o.accepted for o in outcomes)


@pytest.mark.parametrize("most", [1, 4])
def test_what_was_only_proposed_for_a_chance_is_not_taken_for_refused(most):
    """This peer bears 20 contexts, and rejects all others."""
    with scripted(store_script_of(20, lambda: True)) as peer:
        outcomes = store(peer.config(max_associations=most), iter(kinds(60)[40:]))
    assert all(o.accepted for o in outcomes)


def test_a_peer_that_bears_no_long_request_gets_a_short_one(monkeypatch):
    monkeypatch.setattr(pool, "_PAUSES", ())

    def hang_up():
        raise EOFError

    with scripted(store_script_of(20, hang_up)) as peer:
        outcomes = store(peer.config(max_associations=1), iter(kinds(8)))
        assert peer.connections == 9
    assert all(o.accepted for o in outcomes)


def store_script_of(limit, beyond):
    """Stores; `beyond` decides on each context that is proposed behind so many."""

    def script(peer):
        proposed = []

        def reject(*pair):
            proposed.append(pair)
            return beyond() if len(proposed) > limit else False

        store_script([], reject=reject)(peer)

    return script


def test_a_busy_peer_is_tried_again():
    refusals = [b"\x03\x00\x00\x00\x00\x04\x00\x02\x03\x02"] * 2

    def script(peer):
        if refusals:
            peer.reader.read()
            peer.socket.sendall(refusals.pop())
            return
        store_script([])(peer)

    with scripted(script) as peer:
        (outcome,) = store(peer.config(), make_series(1))
    assert outcome.accepted


def test_a_refusal_for_good_is_not_tried_again():
    def script(peer):
        peer.reader.read()
        peer.socket.sendall(b"\x03\x00\x00\x00\x00\x04\x00\x01\x01\x03")

    with scripted(script) as peer:
        outcomes = store(peer.config(), make_series(5))
        assert peer.connections == 1
    assert {type(o.error) for o in outcomes} == {PermanentDicomError}
    assert "does not know our AE title" in str(outcomes[0].error)


BROKEN_UIDS = {"": "is empty", "1." + "2" * 63: "is longer than 64 characters"} | dict.fromkeys(
    ("1.2.\ufffd.3", "1.2.*", "1.2\\3", "1..2", "1.2 3"), "is no UID"
)


def test_an_instance_with_a_broken_uid_fails_alone_and_says_why(stored_by):
    """Nobody could ask for it later; of some of them no peer can even be told (PS3.5 9.1)."""
    instances, faults = make_series(1), [""]
    for attribute, name in (
        ("sop_class_uid", "SOP Class UID"),
        ("sop_instance_uid", "SOP Instance UID"),
        ("transfer_syntax_uid", "Transfer Syntax UID"),
    ):
        for uid, fault in BROKEN_UIDS.items():
            broken = make_instance()
            setattr(broken, attribute, uid)
            good = make_instance()
            good.sop_instance_uid = f"1.02.ab{len(instances)}"
            instances += [broken, good]
            faults += [f"its {name} {fault}", ""]
    outcomes = stored_by(instances)
    assert [o.instance for o in outcomes] == instances
    assert [o.accepted for o in outcomes] == [not fault for fault in faults]
    for outcome, fault in zip(outcomes, faults, strict=True):
        if fault:
            assert outcome.error is not None and outcome.error.code == "UID"
            assert isinstance(outcome.error, PermanentDicomError)
            assert fault in str(outcome.error)


@pytest.fixture(params=["C-STORE", "STOW-RS"])
def stored_by(request):
    """Stores at a server that takes everything."""

    def by_c_store(instances):
        with scripted(store_script([])) as peer:
            return store(peer.config(), instances)

    def by_stow(instances):
        with web_server(lambda s, h, b: respond(s, 200)) as config:
            return store(config, instances)

    return by_stow if request.param == "STOW-RS" else by_c_store


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_cancel_wakes_who_cannot_send_because_the_peer_does_not_read(secure, tmp_path):
    authority = Authority(tmp_path)
    certificate = authority.sign("peer")
    accepted, done, token = threading.Event(), threading.Event(), CancelToken()

    def script(peer):
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if secure:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate.certificate, certificate.key)
            peer = Conversation(context.wrap_socket(peer.socket, server_side=True), 16384)
        peer.accept()
        accepted.set()
        done.wait(60)

    def cancel():
        accepted.wait(60)
        # By then the buffers are full, and the sender waits for room.
        time.sleep(0.5)
        canceled.append(time.monotonic())
        token.cancel()

    canceled: list[float] = []
    tls = TlsConfig(ca_file=authority.certificate) if secure else None
    local = LocalConfig(network_timeout=60)
    with (
        scripted(script) as peer,
        DicomOperator(peer.config(tls=tls), local, cancel=token) as operator,
    ):
        threading.Thread(target=cancel, daemon=True).start()
        with pytest.raises(Canceled):
            list(operator.store([make_instance(pixels=20_000_000)]))
        waited = time.monotonic() - canceled[0]
        done.set()
    assert waited < 10
