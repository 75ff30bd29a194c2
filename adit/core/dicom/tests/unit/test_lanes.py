"""Several series at once: nothing is lost, doubled or given up because one lane was refused."""

import threading
from collections.abc import Collection, Iterator

import pytest

from adit.core.dicom import CancelToken, DicomError, DicomInstance, TransientDicomError, buffered
from adit.core.dicom.retrieval import Errands, Want, retrieve_checked, worst_of_lanes
from adit.core.dicom.tests.samples import make_instance

STUDY_UID = "1.2.3.1"
REFUSED = TransientDicomError("No place.", code="rejected")


def series(number: int, count: int = 3) -> list[DicomInstance]:
    uid = f"{STUDY_UID}.{number}"
    return [
        make_instance(SeriesInstanceUID=uid, SOPInstanceUID=f"{uid}.{one}")
        for one in range(1, count + 1)
    ]


def want(instances: list[DicomInstance]) -> Want:
    return Want(
        patient_id="",
        study_instance_uid=STUDY_UID,
        series_instance_uid=instances[0].identifiers().series_instance_uid,
        sop_instance_uids=frozenset(i.sop_instance_uid for i in instances),
    )


class Peer:
    """Brings what it has of a series; fails with `error` after so many instances."""

    of_all = ()

    def __init__(
        self,
        *held: list[DicomInstance],
        error: DicomError | None = None,
        after: int = 0,
        together: threading.Barrier | None = None,
    ) -> None:
        self.held = {want(one).series_instance_uid: one for one in held}
        self.error = error
        self.after = after
        self.together = together
        self.asked: list[str] = []

    def retrieve(self, want: Want, received: Collection[str]) -> Iterator[DicomInstance]:
        self.asked.append(want.series_instance_uid)
        if self.together is not None:
            self.together.wait(20)
        for number, instance in enumerate(self.held.get(want.series_instance_uid, [])):
            if self.error is not None and number == self.after:
                raise self.error
            yield instance


def fetch(wants: list[Want], first: Peer, helper: Peer) -> tuple[list[str], DicomError | None]:
    errands, cancel = Errands(wants), CancelToken()
    stream = buffered(
        retrieve_checked(first, errands.all_left(), "PACS", cancel),
        errands.help(helper, "PACS", cancel),
        max_items=4,
        max_bytes=10**6,
        size=lambda instance: instance.size,
        worst=worst_of_lanes,
    )
    got = []
    try:
        got.extend(instance.sop_instance_uid for instance in stream)
    except DicomError as error:
        return sorted(got), error
    return sorted(got), None


def uids(*groups: list[DicomInstance]) -> list[str]:
    return sorted(i.sop_instance_uid for group in groups for i in group)


def test_two_series_are_fetched_at_the_same_time():
    one, two = series(1), series(2)
    together = threading.Barrier(2)
    peers = [Peer(one, two, together=together) for _ in range(2)]
    assert fetch([want(one), want(two)], *peers) == (uids(one, two), None)
    assert [len(peer.asked) for peer in peers] == [1, 1]


def test_a_lane_that_is_refused_leaves_its_series_to_the_first():
    groups = [series(number) for number in range(1, 6)]
    first, helper = Peer(*groups), Peer(*groups, error=REFUSED)
    got, error = fetch([want(group) for group in groups], first, helper)
    assert (got, error) == (uids(*groups), None)
    assert len(helper.asked) <= 1
    assert sorted(first.asked) == sorted(want(group).series_instance_uid for group in groups)


def test_a_lane_that_breaks_off_tells_why_after_all_that_came():
    one, two = series(1), series(2)
    together = threading.Barrier(2)
    first = Peer(one, two, together=together)
    helper = Peer(one, two, error=REFUSED, after=2, together=together)
    got, error = fetch([want(one), want(two)], first, helper)
    assert len(got) == 5
    assert error is REFUSED


def test_what_no_lane_gets_is_an_error_of_the_first():
    one, two = series(1), series(2)
    got, error = fetch([want(one), want(two)], Peer(one), Peer(one))
    assert got == uids(one)
    assert error is not None
    assert error.code == "incomplete"


def test_an_error_that_is_no_answer_of_the_peer_comes_first():
    assert worst_of_lanes([REFUSED, KeyError("x")]).args == ("x",)


@pytest.mark.parametrize("number_taken", [0, 1])
def test_closing_ends_all_lanes(number_taken: int):
    groups = [series(number, 20) for number in range(1, 4)]
    errands, cancel = Errands([want(group) for group in groups]), CancelToken()
    stream = buffered(
        retrieve_checked(Peer(*groups), errands.all_left(), "PACS", cancel),
        errands.help(Peer(*groups), "PACS", cancel),
        max_items=2,
        max_bytes=10**6,
        on_stop=cancel.cancel,
    )
    for _ in range(number_taken):
        next(stream)
    stream.close()
    assert not any(thread.is_alive() for thread in stream._threads)
