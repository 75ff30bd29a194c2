"""A series, or a part of one, that fails for a reason of its own keeps nothing else from coming."""

from __future__ import annotations

import pytest
from pydicom.uid import generate_uid

from adit.core.dicom import (
    CancelToken,
    DicomError,
    DicomOperator,
    PermanentDicomError,
    RetrieveProtocol,
    ServerConfig,
    TransientDicomError,
)
from adit.core.dicom.contexts import STORAGE_CLASSES
from adit.core.dicom.retrieval import Want, retrieve_checked
from adit.core.dicom.retrieval.failures import OF_EACH_MOVE
from adit.core.dicom.retrieval.moving import MoveRetriever
from adit.core.dicom.tests.conftest import config_of
from adit.core.dicom.tests.fetching import LOCAL, SERIES, STUDY, fetch
from adit.core.dicom.tests.samples import CT, make_instance, make_series
from adit.core.dicom.tests.scripted_peer import scripted
from adit.core.dicom.tests.web_server import respond, web_server
from adit.test_pacs import PacsDouble

pytestmark = pytest.mark.integration

SR = "1.2.840.10008.5.1.4.1.1.88.11"
KO = "1.2.840.10008.5.1.4.1.1.88.59"
RELATED = 'multipart/related; type="application/dicom"; boundary=edge'


def series(number, count=2, **attributes):
    return make_series(count, SeriesInstanceUID=f"{STUDY}.{number}", **attributes)


def uids_of(groups):
    return {
        group[0].identifiers().series_instance_uid: [i.sop_instance_uid for i in group]
        for group in groups
    }


def fetch_all(operator, groups, protocol, *, names=True):
    """SOP Instance UIDs of what came, and the error at the end."""
    got = []
    try:
        for instance in operator.fetch(
            patient_id="P1",
            study_instance_uid=STUDY,
            series=uids_of(groups) if names else dict.fromkeys(uids_of(groups)),
            protocol=protocol,
        ):
            got.append(instance.sop_instance_uid)
    except DicomError as error:
        return got, error
    return got, None


def double_config(pacs, **changes):
    values = {
        "name": "SOURCE",
        "ae_title": "SOURCE",
        "host": "127.0.0.1",
        "port": pacs.port,
        "study_root_find_support": True,
        "study_root_get_support": True,
        **changes,
    }
    return ServerConfig(**values)


@pytest.fixture
def double():
    with PacsDouble("SOURCE") as pacs:
        yield pacs


def fill(pacs, groups):
    for group in groups:
        for instance in group:
            pacs.archive.add_encoded(instance.read(), instance.transfer_syntax_uid)


def test_series_whose_contexts_are_rejected_leave_the_others_and_are_named(double):
    refused = [
        series(1, 1, SOPClassUID=SR, Modality="SR", pixels=0),
        series(2, 1, SOPClassUID=KO, Modality="KO", pixels=0),
    ]
    others = [series(number) for number in (3, 4, 5)]
    fill(double, refused + others)
    double.faults.reject_contexts = [SR, KO]
    with DicomOperator(double_config(double), LOCAL) as operator:
        got, error = fetch_all(operator, refused + others, RetrieveProtocol.C_GET)
    assert sorted(got) == sorted(uid for uids in uids_of(others).values() for uid in uids)
    assert isinstance(error, PermanentDicomError)
    assert error.code == "context rejected"
    assert "Basic Text SR Storage" in str(error)
    assert "Key Object Selection Document Storage" in str(error)
    assert double.seen.operations()["C-GET"] == 5


def test_a_series_with_a_rejected_class_among_others_tells_it(double):
    mixed = [*series(1, 3), *series(1, 1, SOPClassUID=SR, pixels=0)]
    fill(double, [mixed])
    double.faults.reject_contexts = [SR]
    with DicomOperator(double_config(double), LOCAL) as operator:
        got, error = fetch_all(operator, [mixed], RetrieveProtocol.C_GET)
    assert len(got) == 3
    assert error is not None and error.code == "context rejected"
    assert "Basic Text SR Storage" in str(error) and "CT" not in str(error)


@pytest.mark.parametrize("names", [True, False], ids=["listed", "unlisted"])
def test_where_the_server_lists_no_instances_the_classes_of_the_study_are_said(double, names):
    refused = [*series(1, 1, SOPClassUID=SR, Modality="SR", pixels=0)]
    fill(double, [refused, series(2)])
    double.faults.reject_contexts = [SR]
    double.faults.refused_levels = ["IMAGE"]
    with DicomOperator(double_config(double), LOCAL) as operator, pytest.raises(DicomError) as got:
        list(
            operator.fetch(
                patient_id="P1",
                study_instance_uid=STUDY,
                series={f"{STUDY}.1": uids_of([refused])[f"{STUDY}.1"] if names else None},
                protocol=RetrieveProtocol.C_GET,
                sop_classes=[CT, SR],
            )
        )
    assert isinstance(got.value, TransientDicomError)
    assert "it does not offer this kind of object over C-GET: Basic Text SR" in str(got.value)


def multipart(*instances):
    parts = b"".join(
        b"\r\n--edge\r\nContent-Type: application/dicom\r\n\r\n" + i.file_meta() + i.read()
        for i in instances
    )
    return parts + b"\r\n--edge--\r\n"


class Web:
    """Answers for the first two series with `status`; None breaks the connection."""

    def __init__(self, groups, status):
        self.groups = {uid: group for uid, group in zip(uids_of(groups), groups, strict=True)}
        self.refused = list(self.groups)[:2]
        self.status = status
        self.asked = []

    def __call__(self, sock, head, _body):
        uid = head.split(b" ")[1].rpartition(b"/series/")[2].decode()
        self.asked.append(uid)
        if uid not in self.refused:
            respond(sock, 200, multipart(*self.groups[uid]), RELATED)
        elif self.status is not None:
            respond(sock, self.status)


@pytest.mark.parametrize("status", [400, 403, 404, 406, 410, 500])
def test_an_answer_about_one_series_says_nothing_of_the_next(status):
    groups = [series(number) for number in range(1, 6)]
    answer = Web(groups, status)
    with web_server(answer) as config, DicomOperator(config, LOCAL) as operator:
        got, error = fetch_all(operator, groups, RetrieveProtocol.WADO_RS, names=False)
    assert len(got) == 6
    assert error is not None and error.code == f"HTTP {status}"
    assert sorted(answer.asked) == sorted(answer.groups)


def test_a_password_that_is_refused_is_not_sent_for_each_series():
    groups = [series(number) for number in range(1, 6)]
    answer = Web(groups, 401)
    answer.refused = list(answer.groups)
    with web_server(answer) as config, DicomOperator(config, LOCAL) as operator:
        got, error = fetch_all(operator, groups, RetrieveProtocol.WADO_RS, names=False)
    assert got == []
    assert isinstance(error, PermanentDicomError) and error.code == "HTTP 401"
    assert len(answer.asked) == 2


@pytest.mark.parametrize(("status", "come", "asked"), [(501, 8, 6), (505, 8, 6), (401, 4, 4)])
def test_a_server_that_has_served_us_says_it_of_the_one_series_but_not_a_refused_password(
    status, come, asked
):
    groups = [series(number) for number in range(1, 7)]
    answer = Web(groups, status)
    answer.refused = list(answer.groups)[2:4]
    with web_server(answer) as config, DicomOperator(config, LOCAL) as operator:
        got, error = fetch_all(operator, groups, RetrieveProtocol.WADO_RS, names=False)
    assert len(got) == come
    assert error is not None and error.code == f"HTTP {status}"
    assert len(answer.asked) == asked


@pytest.mark.parametrize(("of_all", "asked"), [((), 5), (OF_EACH_MOVE, 2)], ids=["get", "move"])
def test_a_destination_that_a_move_cannot_reach_is_tried_for_two_series(of_all, asked):
    """The same status of a C-GET is about the series (PS3.4 C.4.3.1.4)."""

    class Peer:
        def __init__(self):
            self.of_all = of_all
            self.asked = []

        def retrieve(self, want, received):
            self.asked.append(want.series_instance_uid)
            raise TransientDicomError("It could not send.", code="A702")
            yield

    peer = Peer()
    wants = [
        Want(patient_id="P1", study_instance_uid=STUDY, series_instance_uid=f"{STUDY}.{number}")
        for number in range(1, 6)
    ]
    with pytest.raises(TransientDicomError):
        list(retrieve_checked(peer, wants, "PACS", CancelToken()))
    assert len(peer.asked) == asked
    assert MoveRetriever.of_all == OF_EACH_MOVE


@pytest.mark.parametrize("status", [429, 503, None])
def test_a_server_that_is_away_is_left_after_two_series_and_not_starved_the_next_time(status):
    groups = [series(number) for number in range(1, 6)]
    answer = Web(groups, status)
    with web_server(answer) as config, DicomOperator(config, LOCAL) as operator:
        got, error = fetch_all(operator, groups, RetrieveProtocol.WADO_RS, names=False)
        assert got == []
        assert isinstance(error, TransientDicomError)
        assert answer.asked == list(answer.groups)[:2]
        got, error = fetch_all(operator, groups, RetrieveProtocol.WADO_RS, names=False)
    assert len(got) == 6
    assert isinstance(error, TransientDicomError)
    assert answer.asked[2:5] == list(answer.groups)[2:]


def test_one_instance_that_the_server_stumbles_over_leaves_the_others():
    group = series(1, 4)
    bad = group[0].sop_instance_uid

    def answer(sock, head, _body):
        uid = head.split(b" ")[1].rpartition(b"/instances/")[2].decode()
        if uid == bad:
            respond(sock, 500)
        else:
            one = next(i for i in group if i.sop_instance_uid == uid)
            respond(sock, 200, multipart(one), RELATED)

    with web_server(answer) as config, DicomOperator(config, LOCAL) as operator:
        got, error = fetch_all(operator, [group], RetrieveProtocol.WADO_RS)
    assert len(got) == 3
    assert error is not None and error.code == "HTTP 500"


@pytest.mark.parametrize("counts", [{}, {"completed": 1, "failed": 1, "remaining": 2}])
def test_a_failure_with_some_contexts_does_not_keep_others_from_being_tried(counts):
    """It sends in explicit little endian at first, and the rest where it has other contexts."""
    instances = make_series(4)
    asked = []

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        asked.append(peer.contexts)
        first = len(asked) == 1
        for instance in instances[:1] if first else instances[1:]:
            peer.send_instance(instance)
        peer.respond(context, request, *([0xC000] if first else [0]), **(counts if first else {}))
        peer.serve_release()

    with scripted(script) as peer:
        got, error = fetch(peer.config(), wanted={i.sop_instance_uid for i in instances})
    assert (len(got), error) == (4, None)
    assert len(asked) == 2


@pytest.mark.parametrize("wanted", [None, {"1.2.3.4"}], ids=["series", "by name"])
def test_a_server_without_resources_is_asked_once(wanted):
    asked = []

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        asked.append(request)
        peer.respond(context, request, 0xA701)
        peer.serve_release()

    with scripted(script) as peer:
        got, error = fetch(peer.config(), wanted=wanted)
    assert got == []
    assert error is not None and error.code == "A701"
    assert len(asked) == 1


@pytest.mark.interop
@pytest.mark.parametrize("names", [True, False], ids=["listed", "unlisted"])
def test_a_series_of_more_classes_than_one_association_holds_comes_whole(orthanc, names):
    group = [
        make_instance(
            SOPClassUID=sop_class,
            SOPInstanceUID=generate_uid(),
            StudyInstanceUID=STUDY,
            SeriesInstanceUID=SERIES,
            pixels=0,
        )
        for sop_class in sorted(STORAGE_CLASSES)
    ]
    with DicomOperator(config_of(orthanc), LOCAL) as operator:
        there = {
            outcome.instance.sop_instance_uid
            for outcome in operator.store(iter(group))
            if outcome.accepted
        }
        assert len(there) > 150
        got = [
            instance.sop_instance_uid
            for instance in operator.fetch(
                patient_id="P1",
                study_instance_uid=STUDY,
                series={SERIES: there if names else None},
                protocol=RetrieveProtocol.C_GET,
            )
        ]
    assert len(got) == len(there)
    assert set(got) == there


@pytest.mark.parametrize("level_of_images", [True, False])
def test_what_a_get_without_names_left_out_is_found_by_the_list(double, level_of_images):
    """The server counts only what it sends; without a list it has to be believed."""
    group = series(1, 5)
    fill(double, [group])
    double.faults.leave_out = 2
    if not level_of_images:
        double.faults.refused_levels = ["IMAGE"]
    with DicomOperator(double_config(double), LOCAL) as operator:
        stream = operator.fetch(
            patient_id="P1",
            study_instance_uid=STUDY,
            series={f"{STUDY}.1": None},
            protocol=RetrieveProtocol.C_GET,
        )
        got = [next(stream) for _ in range(3)]
        if not level_of_images:
            assert next(stream, None) is None
            return
        with pytest.raises(TransientDicomError, match="did not send 2 of 5 instances"):
            next(stream)
    assert len(got) == 3


def test_a_get_that_sends_less_than_it_announced_is_not_complete():
    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        peer.respond(context, request, 0xFF00, remaining=5, completed=0)
        for instance in make_series(3):
            peer.send_instance(instance)
        peer.respond(context, request, 0, completed=3)
        peer.serve_release()

    with scripted(script) as peer:
        got, error = fetch(peer.config())
    assert len(got) == 3
    assert isinstance(error, TransientDicomError)
    assert "more instances than it sent: 5 instead of 3" in str(error)
