"""Each fault of the double shows, and goes away when it is switched off."""

import json
import time
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from adit.test_pacs import PacsDouble

pytestmark = pytest.mark.integration

ECHO = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
CT = "1.2.840.10008.5.1.4.1.1.2"


def connect(pacs: PacsDouble, calling: str = "TESTER", handlers: list | None = None) -> Association:
    ae = AE(calling)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = 5
    return ae.associate(
        "127.0.0.1",
        pacs.port,
        contexts=[build_context(uid) for uid in (ECHO, FIND, MOVE, GET, CT)],
        ae_title=pacs.ae_title,
        ext_neg=[build_role(CT, scu_role=True, scp_role=True)],
        evt_handlers=handlers or [],
    )


def study(ds: Dataset) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = ds.StudyInstanceUID
    identifier.PatientID = ""
    return identifier


class Fetched:
    """What a C-GET or C-MOVE brought: statuses, counts and instances."""

    def __init__(self) -> None:
        self.uids: list[str] = []
        self.responses: list[Dataset] = []

    def store(self, event: evt.Event) -> int:
        self.uids.append(str(event.dataset.SOPInstanceUID))
        return 0x0000


def get(pacs: PacsDouble, ds: Dataset) -> Fetched:
    fetched = Fetched()
    assoc = connect(pacs, handlers=[(evt.EVT_C_STORE, fetched.store)])
    assert assoc.is_established
    fetched.responses = [status for status, _ in assoc.send_c_get(study(ds), GET)]
    if assoc.is_established:
        assoc.release()
    return fetched


def move(pacs: PacsDouble, ds: Dataset, to: str = "DEST") -> list[Dataset]:
    assoc = connect(pacs)
    responses = [status for status, _ in assoc.send_c_move(study(ds), to, MOVE)]
    if assoc.is_established:
        assoc.release()
    return responses


def test_associations_are_refused_always_or_a_few_times(source: PacsDouble):
    source.faults.refuse_associations = True
    assert connect(source).is_rejected
    source.faults.refuse_associations = False
    source.faults.refuse_next = 1
    assert connect(source).is_rejected
    assoc = connect(source)
    assert assoc.is_established
    assoc.release()
    assert source.seen.rejected == 2


def test_associations_are_refused_when_full(source: PacsDouble):
    source.faults.max_associations = 1
    first = connect(source)
    assert first.is_established and connect(source).is_rejected
    first.release()
    deadline = time.monotonic() + 10
    while source.seen.associations_open and time.monotonic() < deadline:
        time.sleep(0.01)
    second = connect(source)
    assert second.is_established
    second.release()
    assert source.seen.associations_open_most == 1


def test_unknown_calling_ae_titles_are_refused(source: PacsDouble):
    source.faults.allowed_calling_ae_titles = ["ADIT"]
    assert connect(source, "TESTER").is_rejected
    assoc = connect(source, "ADIT")
    assert assoc.is_established
    assoc.release()


def test_connections_are_closed(source: PacsDouble):
    source.faults.close_connections = True
    assert not connect(source).is_established


def test_contexts_are_rejected(source: PacsDouble):
    source.faults.reject_contexts = [GET]
    assoc = connect(source)
    assert GET in [context.abstract_syntax for context in assoc.rejected_contexts]
    assoc.release()


def test_idle_associations_are_closed(source: PacsDouble):
    source.faults.close_idle_after = 0.2
    assoc = connect(source)
    deadline = time.monotonic() + 10
    while assoc.is_established and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not assoc.is_established


def find(pacs: PacsDouble, identifier: Dataset) -> list[Dataset]:
    assoc = connect(pacs)
    answers = list(assoc.send_c_find(identifier, FIND))
    assoc.release()
    assert answers[-1][0].Status == 0
    return [result for _, result in answers if result is not None]


def every_study() -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = identifier.PatientID = identifier.StudyDescription = ""
    return identifier


def test_results_are_capped_without_a_warning(source: PacsDouble):
    source.faults.result_cap = 2
    assert len(find(source, every_study())) == 2


def test_a_key_is_ignored(source: PacsDouble):
    source.faults.ignored_keys = ["StudyDescription"]
    identifier = every_study()
    identifier.StudyDescription = "no such thing"
    results = find(source, identifier)
    assert len(results) == 3 and "StudyDescription" not in results[0]


def test_the_wrong_patient_is_answered(source: PacsDouble, head: list[Dataset]):
    source.faults.answer_for_patient = "1003"
    assert [result.PatientID for result in find(source, study(head[0]))] == ["1003"]


def test_the_first_answer_is_nameless(source: PacsDouble, head: list[Dataset]):
    source.faults.nameless_levels = ["STUDY"]
    (result,) = find(source, study(head[0]))
    assert "StudyInstanceUID" not in result and "PatientID" in result


@pytest.mark.parametrize(("padding", "end"), [("nul", b"\0\0"), ("space", b"  ")])
def test_uids_are_padded(source: PacsDouble, head: list[Dataset], padding, end: bytes):
    source.faults.pad_uids = padding
    raw: list[bytes] = []
    handler = (evt.EVT_DIMSE_RECV, lambda event: raw.append(event.message.data_set.getvalue()))
    assoc = connect(source, handlers=[handler])
    list(assoc.send_c_find(study(head[0]), FIND))
    assoc.release()
    assert head[0].StudyInstanceUID.encode() + end in raw[0]


def test_pending_results_are_endless_until_cancelled(source: PacsDouble, head: list[Dataset]):
    source.faults.endless_pending_find = True
    assoc = connect(source)
    answers = []
    for status, _ in assoc.send_c_find(study(head[0]), FIND, msg_id=7):
        answers.append(status.Status)
        if len(answers) == 20:
            assoc.send_c_cancel(7, query_model=FIND)
    assoc.release()
    assert answers[:20] == [0xFF00] * 20 and answers[-1] == 0xFE00
    assert source.seen.canceled == 1


def test_a_get_without_faults_brings_everything(source: PacsDouble, head: list[Dataset]):
    fetched = get(source, head[0])
    assert set(fetched.uids) == {ds.SOPInstanceUID for ds in head}
    assert fetched.responses[-1].Status == 0
    assert fetched.responses[-1].NumberOfCompletedSuboperations == 24


def test_a_get_stops_mid_data_set(source: PacsDouble, head: list[Dataset]):
    source.faults.stop_mid_data_set = 3
    started = time.monotonic()
    fetched = get(source, head[0])
    assert len(fetched.uids) == 2 and time.monotonic() - started >= 4.5


def test_a_get_is_aborted_after_some(source: PacsDouble, head: list[Dataset]):
    source.faults.abort_after = 4
    fetched = get(source, head[0])
    assert len(fetched.uids) == 4
    assert "Status" not in fetched.responses[-1]


def test_a_get_leaves_some_out_and_answers_success(source: PacsDouble, head: list[Dataset]):
    source.faults.leave_out = 5
    fetched = get(source, head[0])
    assert len(fetched.uids) == 19 and fetched.responses[-1].Status == 0


def test_a_get_answers_success_with_nothing_done(source: PacsDouble, head: list[Dataset]):
    source.faults.zero_suboperations = True
    last = get(source, head[0]).responses[-1]
    assert (last.Status, last.NumberOfCompletedSuboperations) == (0, 0)
    source.faults.clear()
    source.faults.all_failed_but_success = True
    last = get(source, head[0]).responses[-1]
    assert (last.Status, last.NumberOfFailedSuboperations) == (0, 24)


def test_a_get_brings_duplicates_and_other_patients(source: PacsDouble, head: list[Dataset]):
    source.faults.duplicates = True
    assert len(get(source, head[0]).uids) == 48
    source.faults.clear()
    source.faults.wrong_patient = True
    assert not set(get(source, head[0]).uids) & {ds.SOPInstanceUID for ds in head}


def test_a_get_is_pending_for_ever_until_aborted(source: PacsDouble, head: list[Dataset]):
    source.faults.endless_pending = True
    assoc = connect(source, handlers=[(evt.EVT_C_STORE, lambda event: 0)])
    statuses = []
    for status, _ in assoc.send_c_get(study(head[0]), GET):
        statuses.append(status.Status)
        if len(statuses) == 30:
            assoc.abort()
            break
    assert statuses == [0xFF00] * 30


def test_it_is_slow(source: PacsDouble, head: list[Dataset]):
    source.faults.delay = 0.02
    started = time.monotonic()
    get(source, head[0])
    assert time.monotonic() - started > 24 * 0.02


def test_a_move_succeeds_before_it_sends(
    source: PacsDouble, destination: PacsDouble, head: list[Dataset]
):
    source.faults.success_before_sending = True
    source.faults.delay = 0.02
    assert move(source, head[0])[-1].Status == 0
    assert len(destination.archive) < 24
    deadline = time.monotonic() + 20
    while len(destination.archive) < 24 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(destination.archive) == 24


def test_a_move_calls_under_another_ae_title(
    source: PacsDouble, destination: PacsDouble, head: list[Dataset]
):
    source.faults.calling_ae_title = "SOMEBODY"
    assert move(source, head[0])[-1].Status == 0
    assert {seen.calling_ae_title for seen in destination.seen.stores} == {"SOMEBODY"}


def test_a_move_to_an_unknown_destination_fails(source: PacsDouble, head: list[Dataset]):
    assert move(source, head[0], "NOWHERE")[-1].Status == 0xA801


def test_every_nth_store_is_refused(
    source: PacsDouble, destination: PacsDouble, head: list[Dataset]
):
    destination.faults.refuse_every_nth_store = 6
    last = move(source, head[0])[-1]
    assert (last.Status, last.NumberOfFailedSuboperations) == (0xB000, 4)
    assert len(destination.archive) == 20


def test_faults_are_read_from_a_file_when_it_changes(head: list[Dataset], tmp_path: Path):
    file = tmp_path / "faults.json"
    with PacsDouble("SOURCE", instances=head[:1], faults_file=file) as pacs:
        assoc = connect(pacs)
        assert assoc.is_established
        assoc.release()
        file.write_text(json.dumps({"refuse_associations": True}))
        assert connect(pacs).is_rejected
        file.write_text("{}")
        assoc = connect(pacs)
        assert assoc.is_established
        assoc.release()
