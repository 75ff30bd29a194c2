"""Whatever dies or goes away, success is never answered for what is not durable."""

import contextlib
import os
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest
from django.db import connection

from adit.core.dicom import IncomingStream
from adit.core.models import ReceivedInstance, Receiver
from adit.core.receiver import housekeeping, line
from adit.core.receiver.inbox import ReceiverInbox
from adit.core.receiver.registry import Entry, Registry
from adit.core.receiver.spool import Spool
from adit.stack.ports import wait_until

from .conftest import AE_TITLE, ReceiverUnderTest, Study, dcmtk, send
from .test_inbox import expect, rows_of, take_all

pytestmark = [pytest.mark.integration, pytest.mark.processes]


def entry(name: str, **changes: object) -> Entry:
    values = {
        "receiver": "receiver",
        "path": name,
        "sop_class_uid": "1.2",
        "sop_instance_uid": "1.2.3",
        "study_instance_uid": "1.2",
        "series_instance_uid": "1.2.1",
        "transfer_syntax_uid": "1.2.840.10008.1.2",
        "calling_ae_title": "PACS",
        "address": "127.0.0.1",
        "called_ae_title": AE_TITLE,
        "move_originator_ae_title": "",
        "move_originator_message_id": None,
        "size": 1,
        "sha256": "",
    }
    return Entry(**(values | changes))  # type: ignore[arg-type]


def test_dead_acceptors_and_a_dead_steward_are_replaced(
    mortal_receiver: ReceiverUnderTest, head: Study
):
    before = {child.pid for child in mortal_receiver.children()}
    assert len(before) == 3
    for child in mortal_receiver.children():
        child.kill()
    wait_until(
        lambda: len({c.pid for c in mortal_receiver.children()} - before) == 3, "three new ones"
    )
    assert send(mortal_receiver, head).returncode == 0
    assert ReceivedInstance.objects.count() == 24


def test_the_children_of_a_killed_receiver_end(mortal_receiver: ReceiverUnderTest, head: Study):
    children = mortal_receiver.children()
    mortal_receiver.stop(signal.SIGKILL)
    assert psutil.wait_procs(children, timeout=20)[1] == []
    mortal_receiver.start()
    assert send(mortal_receiver, head).returncode == 0


def test_an_acceptor_that_is_killed_leaves_no_partial_file(
    mortal_receiver: ReceiverUnderTest, large: Study
):
    sender = threading.Thread(target=send, args=(mortal_receiver, large))
    sender.start()
    wait_until(lambda: ReceivedInstance.objects.count() > 20, "some have arrived")
    for child in mortal_receiver.children()[1:]:
        child.kill()
    sender.join()
    wait_until(lambda: len(mortal_receiver.children()) == 3, "new acceptors")
    wait_until(lambda: not list(mortal_receiver.spool.glob("*.part")), "no partial files")
    paths = set(ReceivedInstance.objects.values_list("path", flat=True))
    assert paths <= {path.name for path in mortal_receiver.files()}


def test_a_stop_lets_what_is_arriving_arrive(mortal_receiver: ReceiverUnderTest, large: Study):
    output: list[str] = []
    sender = threading.Thread(
        target=lambda: output.append(send(mortal_receiver, large, "-v").stdout)
    )
    sender.start()
    wait_until(lambda: ReceivedInstance.objects.count() > 20, "some have arrived")
    assert mortal_receiver.stop() == 0
    sender.join()
    answered = output[0].count("Received Store Response (Success)")
    assert ReceivedInstance.objects.count() == len(mortal_receiver.files()) == answered
    assert list(mortal_receiver.spool.glob("*.part")) == []


def test_connections_that_postgresql_ends_are_made_again(
    mortal_receiver: ReceiverUnderTest, head: Study
):
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert send(mortal_receiver, head).returncode == 0
    assert ReceivedInstance.objects.count() == 3 * 24


def test_connections_to_postgresql_are_bounded(mortal_receiver: ReceiverUnderTest, head: Study):
    senders = [threading.Thread(target=send, args=(mortal_receiver, head)) for _ in range(12)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    database = int(connection.settings_dict["PORT"])
    number = sum(
        bool(link.raddr) and link.raddr.port == database
        for child in mortal_receiver.children()
        for link in child.net_connections("tcp")
    )
    assert number
    assert number <= 2 + 2
    assert ReceivedInstance.objects.count() == 12 * 24


def test_without_database_it_fails_and_recovers_by_itself(
    transactional_db, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(line, "_PAUSE", 0.01)
    registry = Registry(Spool(tmp_path))
    port = registry._line._wrapper.settings_dict["PORT"]
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = nobody.getsockname()[1]
    registry._line._wrapper.settings_dict["PORT"] = closed
    run = registry._line.run
    monkeypatch.setattr(registry._line, "run", lambda work: run(work, patience=0.1))
    for _ in range(2):
        with pytest.raises(Exception, match="refused|failed"):
            registry.enter(entry("0.dcm"))
    registry._line._wrapper.settings_dict["PORT"] = port
    registry.enter(entry("1.dcm"))
    assert [row.path for row in ReceivedInstance.objects.all()] == ["1.dcm"]
    registry.stop()


def test_a_row_that_is_entered_twice_is_there_once(transactional_db, tmp_path: Path):
    registry = Registry(Spool(tmp_path))
    registry.enter(entry("1.dcm"))
    registry.enter(entry("1.dcm"))
    assert ReceivedInstance.objects.count() == 1
    registry.stop()


def test_a_row_that_cannot_be_held_does_not_spoil_others(transactional_db, tmp_path: Path):
    registry = Registry(Spool(tmp_path))
    errors: list[str] = []

    def enter(name: str, title: str) -> None:
        try:
            registry.enter(entry(name, calling_ae_title=title))
        except Exception:
            errors.append(name)

    threads = [
        threading.Thread(target=enter, args=(f"{n}.dcm", "much too long a title" if n == 5 else ""))
        for n in range(12)
    ]
    with registry._lock:  # so that all wait, and come together
        for thread in threads:
            thread.start()
        wait_until(lambda: len(registry._waiting) == 12, "all wait")
    for thread in threads:
        thread.join()
    assert errors == ["5.dcm"]
    assert ReceivedInstance.objects.count() == 11
    registry.stop()


def test_it_takes_again_when_there_is_space_again(tmp_path: Path):
    spool = Spool(tmp_path, reserve_bytes=1 << 60)
    assert not spool.has_space()
    spool._reserve = 0
    wait_until(spool.has_space, "the space is noticed")


def test_a_dead_receiver_is_passed_over_and_served_when_it_is_back(
    transactional_db, tmp_path: Path, head: Study
):
    rows_of(head, tmp_path, originator=None)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = nobody.getsockname()[1]
    Receiver.objects.update(file_transmit_port=closed)
    with expect(ReceiverInbox(shared_spool=False), head) as stream:
        assert stream.take(0.1) is None
    assert ReceivedInstance.objects.filter(claimed_by=None).count() == 24
    with expect(ReceiverInbox(shared_spool=True), head) as stream:
        assert len(take_all(stream, 24)) == 24


def test_an_equal_path_of_another_host_is_not_believed(
    transactional_db, tmp_path: Path, head: Study
):
    rows_of(head, tmp_path, originator=None)
    Receiver.objects.update(spool_token="of another host", file_transmit_port=1)
    with expect(ReceiverInbox(), head) as stream:
        assert stream.take(0.1) is None
    assert len(list(tmp_path.glob("*.dcm"))) == 24


def test_other_content_under_the_same_uid_is_set_aside(
    transactional_db, tmp_path: Path, head: Study
):
    rows_of(head, tmp_path, originator=7)
    first = ReceivedInstance.objects.order_by("pk").first()
    assert first
    other = b"other content"
    name = f"{0:032x}.dcm"
    (tmp_path / name).write_bytes(other)
    first.pk, first.path, first.size, first.sha256 = None, name, len(other), "0" * 64
    first.save(force_insert=True)
    with expect(ReceiverInbox(), head, message_id=7) as stream:
        assert len(take_all(stream, 25, 2)) == 24
    (left,) = ReceivedInstance.objects.all()
    assert left.conflicting and left.quarantined_at and left.path == name
    with expect(ReceiverInbox(), head, message_id=7) as stream:
        assert stream.take(0) is None
    assert (tmp_path / name).exists()


def test_a_damaged_file_is_set_aside_and_asked_for_again(
    transactional_db, tmp_path: Path, head: Study
):
    rows_of(head, tmp_path, originator=None)
    row = ReceivedInstance.objects.first()
    assert row
    os.truncate(tmp_path / row.path, 100)
    with expect(ReceiverInbox(), head) as stream:
        assert len(take_all(stream, 24, 2)) == 23
        rows_of(head, tmp_path, originator=None)
        assert [one.sop_instance_uid for one in take_all(stream, 1)] == [row.sop_instance_uid]
    row.refresh_from_db()
    assert row.conflicting


def destinations(stream: IncomingStream, times: int) -> set[str]:
    """What a C-MOVE is told to name, of the receivers "first" and "second": one that runs for other
    tests says again and again that it lives."""
    named = set()
    for _ in range(times):
        Receiver.objects.exclude(name__in=["first", "second"]).delete()
        named.add(stream.destination())
    return named


def test_a_stopped_receiver_is_not_named_in_a_move(transactional_db, tmp_path: Path, head: Study):
    spool = Spool(tmp_path)
    for name in ("first", "second"):
        housekeeping.heartbeat(name, host="127.0.0.1", port=1, spool=spool, ae_title=name.upper())
    with expect(ReceiverInbox(), head) as stream:
        assert destinations(stream, 50) == {"FIRST", "SECOND"}
        housekeeping.stopped("first")
        assert destinations(stream, 1) == {"SECOND"}
        housekeeping.stopped("second")
        assert destinations(stream, 1) == {""}


def test_a_receiver_that_does_not_answer_is_named_last(
    transactional_db, tmp_path: Path, head: Study
):
    spool = Spool(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports = {"first": 1, "second": listener.getsockname()[1]}
        for name, port in ports.items():
            housekeeping.heartbeat(
                name, host="127.0.0.1", port=port, spool=spool, ae_title=name.upper()
            )
        with expect(ReceiverInbox(), head) as stream:
            assert destinations(stream, 10) == {"SECOND"}


@pytest.mark.clock
def test_an_idle_receiver_costs_nearly_nothing(mortal_receiver: ReceiverUnderTest):
    def seconds() -> float:
        times = [child.cpu_times() for child in mortal_receiver.children()[1:]]
        return sum(one.user + one.system for one in times)

    with contextlib.ExitStack() as stack:
        for _ in range(20):
            address = ("127.0.0.1", mortal_receiver.port)
            stack.enter_context(socket.create_connection(address))
        before, started = seconds(), time.monotonic()
        time.sleep(4)
        assert (seconds() - before) / (time.monotonic() - started) < 0.02


def test_movescu_is_told_the_truth_below_the_reserve(transactional_db, tmp_path: Path, head: Study):
    receiver = ReceiverUnderTest(tmp_path, SPOOL_RESERVE_MB="100000000")
    receiver.start()
    try:
        wait_until(lambda: Receiver.objects.filter(takes=False).exists(), "it says so")
        done = dcmtk(
            "storescu", "-v", "-aec", AE_TITLE, "127.0.0.1", receiver.port, "+sd", head.folder
        )
        assert "OutOfResources" in done.stdout
    finally:
        receiver.stop()
