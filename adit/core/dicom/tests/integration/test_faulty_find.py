"""C-FIND to peers that repeat themselves."""

import itertools
import struct

import pytest

from adit.core.dicom import DicomOperator, Query, TransientDicomError
from adit.core.dicom.tests.fetching import LOCAL
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration


def find_script(uids):
    """Answers with a series for each of `uids`, which may have no end."""

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        for uid in uids:
            peer.answer(context, request, struct.pack("<HHL", 0x0020, 0x000E, len(uid)) + uid)
        peer.respond(context, request, 0)
        peer.serve_release()

    return script


def find(peer):
    config = peer.config(study_root_find_support=True, max_associations=1)
    with DicomOperator(config, LOCAL) as operator:
        found = operator.find_series(Query(study_instance_uid="1.2.3"))
        return [series.series_instance_uid for series in found]


def test_an_answer_that_comes_twice_counts_once():
    with scripted(find_script([b"1.2.3\0", b"1.2.4\0", b"1.2.3\0"])) as peer:
        assert find(peer) == ["1.2.3", "1.2.4"]


def test_a_peer_that_goes_in_circles_is_left():
    circle = itertools.cycle([b"1.2.3\0", b"1.2.4\0"])
    with scripted(find_script(circle)) as peer, pytest.raises(TransientDicomError) as caught:
        find(peer)
    assert caught.value.code == "no progress"
