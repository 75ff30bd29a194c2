"""One measurement each, in a process of its own; prints a JSON object. Run by `dimse.py`."""

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from adit.core.dicom import (  # noqa: E402
    DicomInstance,
    DicomOperator,
    FileSlice,
    LocalConfig,
    RetrieveProtocol,
    ServerConfig,
    read_part10,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"


def server(port: int, ae_title: str, web: str = "") -> ServerConfig:
    return ServerConfig(
        name=ae_title,
        ae_title=ae_title,
        host="127.0.0.1",
        port=port,
        study_root_find_support=True,
        study_root_get_support=True,
        study_root_move_support=True,
        store_scp_support=True,
        dicomweb_root_url=web,
        dicomweb_wado_support=bool(web),
    )


def fetch(
    protocol: str, port: str, study: str, series: str, folder: str, web: str = ""
) -> Iterator[int]:
    """Retrieve the study and write each instance as a DICOM file.

    `series` is a file with the SOP Instance UIDs by Series Instance UID.
    """
    inbox = None
    contents = json.loads(Path(series).read_text())
    if protocol == RetrieveProtocol.C_MOVE:
        import django

        django.setup()
        from django.conf import settings

        from adit.core.receiver.inbox import ReceiverInbox

        inbox = ReceiverInbox(spill_folder=Path(folder))
        local = LocalConfig(receiver_ae_title=settings.RECEIVER_AE_TITLE)
    else:
        local = LocalConfig()
    count = 0
    yield 0
    with DicomOperator(
        server(int(port), "ORTHANC", web), local, incoming=inbox, spill_folder=Path(folder)
    ) as operator:
        for instance in operator.fetch(
            patient_id="",
            study_instance_uid=study,
            series=contents,
            protocol=RetrieveProtocol(protocol),
            sop_classes=[CT],
        ):
            instance.write_part10(Path(folder) / f"{instance.sop_instance_uid}.dcm")
            count += 1
    yield count


def store(port: str, folder: str, associations: str = "4") -> Iterator[int]:
    """Send the files of a folder."""
    paths = sorted(Path(folder).iterdir())
    yield 0
    local = LocalConfig(store_associations=int(associations))
    with DicomOperator(server(int(port), "DEST"), local) as operator:
        outcomes = list(operator.store(read_part10(path) for path in paths))
    yield sum(outcome.accepted for outcome in outcomes)


def plain_store(port: str, folder: str) -> Iterator[int]:
    """The same with pynetdicom, its files sent in chunks."""
    from pynetdicom import AE, _config, build_context

    from adit.core.dicom import tuning_handlers

    _config.STORE_SEND_CHUNKED_DATASET = True
    paths = sorted(Path(folder).iterdir())
    yield 0
    ae = AE("PLAIN")
    ae.maximum_pdu_size = 131072
    assoc = ae.associate(
        "127.0.0.1", int(port), [build_context(CT, EXPLICIT)], evt_handlers=tuning_handlers()
    )
    count = 0
    for path in paths:
        count += assoc.send_c_store(path).Status == 0
    assoc.release()
    yield count


def plain_get(port: str, study: str, _series: str, folder: str) -> Iterator[int]:
    """C-GET with pynetdicom that writes what comes without decoding it."""
    from pydicom import Dataset
    from pynetdicom import AE, build_context, build_role, evt

    from adit.core.dicom import tuning_handlers

    count = 0

    def take(event: evt.Event) -> int:
        nonlocal count
        count += 1
        (Path(folder) / f"{count}.dcm").write_bytes(event.encoded_dataset())
        return 0

    yield 0
    ae = AE("PLAIN")
    ae.maximum_pdu_size = 131072
    assoc = ae.associate(
        "127.0.0.1",
        int(port),
        [build_context(STUDY_ROOT_GET), build_context(CT, EXPLICIT)],
        ext_neg=[build_role(CT, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, take), *tuning_handlers()],
    )
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = study
    for _ in assoc.send_c_get(identifier, STUDY_ROOT_GET):
        pass
    assoc.release()
    yield count


def big_object(folder: Path, megabytes: int) -> DicomInstance:
    """An instance of so many MB in a sparse file, with real elements at its start."""
    from adit.core.dicom.tests.samples import make_instance

    small = make_instance(pixels=0, SOPInstanceUID="1.2.3.4.5")
    size = megabytes << 20
    head = small.read() + struct.pack("<HH2sxxL", 0x7FE0, 0x0010, b"OW", size)
    path = folder / "big.dat"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
    return DicomInstance(CT, "1.2.3.4.5", EXPLICIT, FileSlice(path, 0, len(head) + size))


def big_store(port: str, ae_title: str, folder: str, megabytes: str) -> Iterator[int]:
    """Send one large object from a file."""
    instance = big_object(Path(folder), int(megabytes))
    yield 0
    local = LocalConfig(network_timeout=600)
    with DicomOperator(server(int(port), ae_title), local) as operator:
        yield sum(outcome.accepted for outcome in operator.store([instance]))


def big_get(folder: str, megabytes: str) -> Iterator[int]:
    """Receive one large object by C-GET from a peer in a thread, which reads it from a file."""
    from adit.core.dicom.dimse import commands
    from adit.core.dicom.tests.scripted_peer import Conversation

    instance = big_object(Path(folder), int(megabytes))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = listener.accept()
        peer = Conversation(sock, 131072)
        peer.accept()
        context, request, _ = peer.receive()
        command = commands.store_request(1, CT, instance.sop_instance_uid)
        with instance.open() as file:
            peer.writer.write_message(peer.contexts[CT, EXPLICIT], command, file)
        peer.receive()
        peer.respond(context, request, 0, completed=1)
        peer.serve_release()

    yield 0
    threading.Thread(target=serve, daemon=True).start()
    config = server(listener.getsockname()[1], "PEER")
    with DicomOperator(config, spill_folder=Path(folder)) as operator:
        got = operator.fetch(
            patient_id="",
            study_instance_uid="1.2.3.1",
            series={"1.2.3.1.1": None},
            protocol=RetrieveProtocol.C_GET,
            sop_classes=[CT],
        )
        yield sum(one.size == instance.size for one in got)


WORK: dict[str, Callable[..., Iterator[int]]] = {
    "fetch": fetch,
    "store": store,
    "plain-store": plain_store,
    "plain-get": plain_get,
    "big-store": big_store,
    "big-get": big_get,
}


def resident_kb(key: str) -> int:
    """VmRSS or VmHWM (the peak) of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    raise AssertionError(f"No {key} in the status.")


def main() -> int:
    """Run what the arguments name: prepare, then measure."""
    name, *arguments = sys.argv[1:]
    work = WORK[name](*arguments)
    next(work)
    memory = resident_kb("VmRSS")
    before, started = time.process_time(), time.perf_counter()
    count = next(work)
    seconds, after = time.perf_counter() - started, time.process_time()
    result: dict[str, Any] = {
        "count": count,
        "seconds": seconds,
        "cpu": after - before,
        "growth_mb": max(0, resident_kb("VmHWM") - memory) / 1024,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
