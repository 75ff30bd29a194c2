"""Instances go to a real PACS and come back by every protocol, byte for byte."""

import dataclasses
import threading
import time
import tracemalloc

import pytest

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomOperator,
    FileSlice,
    PermanentDicomError,
    Query,
    RetrieveProtocol,
    StoreProtocol,
    TransientDicomError,
)
from adit.core.dicom.tests.conftest import config_of
from adit.core.dicom.tests.samples import (
    EXPLICIT,
    content,
    make_instance,
    make_series,
    real_instances,
)
from adit.stack.ports import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.interop]

REFUSED_BY_ORTHANC = "1.2.826.0.1.3680043.2.1125.1.8828356712501776637392831168989589"
STUDY, SERIES = "1.2.3.1", "1.2.3.1.1"


@pytest.fixture
def operator(server, local, incoming, spill):
    with DicomOperator(server, local, incoming=incoming, spill_folder=spill) as operator:
        yield operator


def fetch(operator, protocol, series=None, study=STUDY):
    with operator.fetch(
        patient_id="P1",
        study_instance_uid=study,
        series=series or {SERIES: None},
        protocol=protocol,
    ) as stream:
        return list(stream)


def store(operator, instances, protocol=None):
    outcomes = list(operator.store(instances, protocol=protocol))
    assert [o.instance for o in outcomes] == list(instances)
    assert not [o for o in outcomes if not o.accepted]
    return outcomes


@pytest.mark.parametrize("protocol", list(StoreProtocol))
def test_what_is_stored_is_there_untouched(operator, orthanc, protocol):
    instances = make_series(5)
    outcomes = store(operator, instances, protocol)
    assert all(o.accepted and o.status == 0 and not o.warning for o in outcomes)
    assert orthanc.count_instances() == 5
    data = {i.sop_instance_uid: i.data for i in instances}
    for instance in fetch(operator, RetrieveProtocol.WADO_RS):
        assert instance.data == data[instance.sop_instance_uid]


@pytest.mark.parametrize("protocol", list(RetrieveProtocol))
def test_a_series_comes_whole(operator, protocol):
    instances = make_series(30, pixels=5000)
    store(operator, instances)
    got = fetch(operator, protocol)
    assert {i.sop_instance_uid: i.data for i in got} == {
        i.sop_instance_uid: i.data for i in instances
    }
    assert {i.transfer_syntax_uid for i in got} == {EXPLICIT}
    assert len(got) == 30


@pytest.mark.parametrize("protocol", list(RetrieveProtocol))
@pytest.mark.parametrize("wanted", [2, 25])
def test_only_the_wanted_instances_come(operator, protocol, wanted):
    instances = make_series(30)
    store(operator, instances)
    uids = {i.sop_instance_uid for i in instances[:wanted]}
    got = fetch(operator, protocol, {SERIES: uids})
    assert {i.sop_instance_uid for i in got} == uids
    assert len(got) == wanted


@pytest.mark.parametrize("protocol", list(RetrieveProtocol))
def test_several_series_come_one_after_the_other(operator, protocol):
    store(operator, [*make_series(3), *make_series(2, SeriesInstanceUID="1.2.3.1.2")])
    got = fetch(operator, protocol, {SERIES: None, "1.2.3.1.2": None})
    assert len(got) == 5


@pytest.mark.parametrize("protocol", list(RetrieveProtocol))
def test_a_series_that_is_not_there_is_an_error_and_the_others_come(operator, local, protocol):
    store(operator, make_series(3))
    got = []
    with (
        operator.fetch(
            patient_id="P1",
            study_instance_uid=STUDY,
            series={"9.9": None, SERIES: None},
            protocol=protocol,
        ) as stream,
        pytest.raises((TransientDicomError, PermanentDicomError)),
    ):
        for instance in stream:
            got.append(instance)
    assert len(got) == 3


@pytest.mark.parametrize("protocol", list(RetrieveProtocol))
def test_an_instance_that_is_missing_is_said_after_those_that_came(operator, protocol):
    instances = make_series(3)
    store(operator, instances)
    got = []
    wanted = {*(i.sop_instance_uid for i in instances), "1.9.9.9"}
    stream = operator.fetch(
        patient_id="P1", study_instance_uid=STUDY, series={SERIES: wanted}, protocol=protocol
    )
    with pytest.raises((TransientDicomError, PermanentDicomError)):
        for instance in stream:
            got.append(instance)
    assert len(got) == 3


def test_every_real_file_comes_back_series_by_series(operator, orthanc):
    """What test_corpus sends one by one comes here as its series are: kinds mixed."""
    send, receive = StoreProtocol.STOW_RS, RetrieveProtocol.C_GET
    instances = {i.sop_instance_uid: i for i in real_instances()}
    for outcome in list(operator.store(instances.values(), protocol=send)):
        if not outcome.accepted:
            # All its elements are of VR UN, which Orthanc does not understand.
            assert isinstance(outcome.error, PermanentDicomError)
            refused = instances.pop(outcome.instance.sop_instance_uid)
            assert refused.sop_instance_uid == REFUSED_BY_ORTHANC
    assert orthanc.count_instances() == len(instances)
    wanted: dict[tuple[str, str], dict[str, set[str]]] = {}
    for instance in instances.values():
        ids = instance.identifiers()
        study = wanted.setdefault((ids.patient_id, ids.study_instance_uid), {})
        study.setdefault(ids.series_instance_uid, set()).add(instance.sop_instance_uid)
    count = 0
    for (patient_id, study_uid), series in wanted.items():
        with operator.fetch(
            patient_id=patient_id, study_instance_uid=study_uid, series=series, protocol=receive
        ) as stream:
            for got in stream:
                sent = instances[got.sop_instance_uid]
                assert got.transfer_syntax_uid == sent.transfer_syntax_uid
                # Over DIMSE Orthanc writes data sets anew: other lengths of sequences, no padding.
                assert content(got) == content(sent)
                count += 1
    assert count == len(instances)


@pytest.mark.parametrize("protocol", [RetrieveProtocol.WADO_RS, RetrieveProtocol.C_GET])
def test_large_instances_go_to_files(server, local, spill, protocol):
    local = dataclasses.replace(local, spill_threshold=100_000)
    instances = [*make_series(2, pixels=300_000), *make_series(2, pixels=1000)]
    with DicomOperator(server, local, spill_folder=spill) as operator:
        store(operator, instances)
        data = {i.sop_instance_uid: i.read() for i in instances}
        with operator.fetch(
            patient_id="P1", study_instance_uid=STUDY, series={SERIES: None}, protocol=protocol
        ) as stream:
            got = list(stream)
        assert len(got) == 4
        for instance in got:
            assert isinstance(instance.data, FileSlice) == (instance.size > 100_000)
            assert instance.read() == data[instance.sop_instance_uid]
            assert instance.identifiers().study_instance_uid == STUDY
        # And from a file they go on as they are.
        second = store(operator, got)
        assert all(o.accepted for o in second)
        for instance in got:
            instance.discard()
    assert list(spill.iterdir()) == []


@pytest.mark.parametrize("protocol", list(StoreProtocol))
def test_a_large_instance_is_sent_from_its_file(operator, orthanc, tmp_path, protocol):
    instance = make_instance(pixels=40_000_000)
    path = tmp_path / "large"
    path.write_bytes(b"head" + instance.read() + b"tail")
    data = instance.read()
    instance.data = FileSlice(path, 4, len(data))
    assert all(o.accepted for o in store(operator, [instance], protocol))
    (got,) = fetch(operator, RetrieveProtocol.WADO_RS)
    assert got.read() == data


@pytest.mark.clock
@pytest.mark.parametrize("protocol", list(RetrieveProtocol))
def test_cancel_ends_a_retrieval_at_once(server, local, incoming, protocol):
    token = CancelToken()
    with DicomOperator(server, local, cancel=token, incoming=incoming) as operator:
        store(operator, make_series(300, pixels=100_000))
        got = 0
        started = 0.0
        with pytest.raises(Canceled):
            for _ in operator.fetch(
                patient_id="P1", study_instance_uid=STUDY, series={SERIES: None}, protocol=protocol
            ):
                got += 1
                if got == 3:
                    started = time.monotonic()
                    token.cancel()
        assert time.monotonic() - started < 5
        assert got < 300


def test_cancel_ends_a_query_and_a_store(server, local):
    token = CancelToken()
    with DicomOperator(server, local, cancel=token) as operator:
        store(operator, make_series(3))
        outcomes = []
        with pytest.raises(Canceled):
            for outcome in operator.store(make_series(10)):
                outcomes.append(outcome)
                token.cancel()
        assert len(outcomes) == 1
        with pytest.raises(Canceled):
            list(operator.find_studies(Query()))


@pytest.mark.clock
@pytest.mark.parametrize("protocol", list(RetrieveProtocol))
def test_a_consumer_that_stops_ends_the_retrieval(operator, protocol):
    store(operator, make_series(200, pixels=200_000))
    stream = operator.fetch(
        patient_id="P1", study_instance_uid=STUDY, series={SERIES: None}, protocol=protocol
    )
    next(stream)
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 5
    assert not any(t.name in ("buffered", "c-move") for t in threading.enumerate())


@pytest.mark.parametrize("protocol", [RetrieveProtocol.WADO_RS, RetrieveProtocol.C_GET])
def test_a_slow_consumer_holds_the_server_back(operator, protocol):
    """With 64 MB in the queue at most, 300 MB must wait at the server."""
    store(operator, make_series(300, pixels=1_000_000))
    stream = operator.fetch(
        patient_id="P1", study_instance_uid=STUDY, series={SERIES: None}, protocol=protocol
    )
    next(stream)
    state = stream._state
    wait_until(lambda: state.queued_bytes > 0, "something in the queue")
    time.sleep(2)  # in which a server that nobody holds back fills it
    assert 0 < state.queued_bytes <= 64 * 1024 * 1024
    assert len(state.queue) <= 64
    assert len(list(stream)) == 299


def test_instances_are_taken_lazily(operator):
    instances = make_series(10)
    taken = []

    def upstream():
        for instance in instances:
            taken.append(instance)
            yield instance

    outcomes = operator.store(upstream())
    next(outcomes)
    assert len(taken) <= 2
    assert len(list(outcomes)) == 9


def test_a_move_lets_one_server_send_to_another(operator, second_orthanc, local):
    store(operator, [*make_series(4), *make_series(2, SeriesInstanceUID="1.2.3.1.2")])
    report = operator.move(
        patient_id="P1",
        study_instance_uid=STUDY,
        destination_ae_title="ORTHANC2",
        series={SERIES: None},
    )
    assert report.completed == 4
    assert second_orthanc.count_instances() == 4
    operator.move(patient_id="P1", study_instance_uid=STUDY, destination_ae_title="ORTHANC2")
    assert second_orthanc.count_instances() == 6
    with DicomOperator(config_of(second_orthanc), local) as second:
        assert len(list(second.find_series(Query(study_instance_uid=STUDY)))) == 2


def test_an_unknown_destination_is_an_error(operator):
    store(operator, make_series(1))
    with pytest.raises((PermanentDicomError, TransientDicomError)):
        operator.move(patient_id="P1", study_instance_uid=STUDY, destination_ae_title="NOBODY")


@pytest.mark.parametrize("protocol", list(RetrieveProtocol))
def test_the_patient_root_model_alone_is_enough(server, local, incoming, protocol):
    patient_root = dataclasses.replace(
        server,
        study_root_find_support=False,
        study_root_get_support=False,
        study_root_move_support=False,
    )
    with DicomOperator(patient_root, local, incoming=incoming) as operator:
        store(operator, make_series(3))
        assert len(fetch(operator, protocol)) == 3


def test_c_move_announces_what_it_waits_for(operator, incoming, local):
    instances = make_series(3)
    store(operator, instances)
    fetch(operator, RetrieveProtocol.C_MOVE)
    (announced,) = incoming.expected
    assert announced["study"] == STUDY
    assert announced["series"] == [SERIES]
    assert announced["instances"] == {i.sop_instance_uid for i in instances}
    assert announced["calling"] == local.calling_ae_title


def test_without_a_receiver_there_is_no_c_move(server):
    with DicomOperator(server) as operator:
        assert RetrieveProtocol.C_MOVE not in operator.retrieve_protocols()
        with pytest.raises(PermanentDicomError):
            fetch(operator, RetrieveProtocol.C_MOVE)


@pytest.mark.parametrize("protocol", [RetrieveProtocol.WADO_RS, RetrieveProtocol.C_GET])
@pytest.mark.parametrize("send", list(StoreProtocol))
def test_memory_stays_flat_over_a_large_instance(server, spill, tmp_path, protocol, send):
    instance = make_instance(pixels=60_000_000)
    path = tmp_path / "large"
    path.write_bytes(instance.read())
    digest = instance.sha256()
    instance.data = FileSlice(path, 0, path.stat().st_size)
    with DicomOperator(server, spill_folder=spill) as operator:
        tracemalloc.start()
        try:
            assert all(outcome.accepted for outcome in operator.store([instance], protocol=send))
            with operator.fetch(
                patient_id="P1", study_instance_uid=STUDY, series={SERIES: None}, protocol=protocol
            ) as stream:
                (got,) = stream
            assert got.sha256() == digest
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert isinstance(got.data, FileSlice)
    assert peak < 30_000_000
