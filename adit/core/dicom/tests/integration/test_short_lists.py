"""C-GET from servers that list less than they have, or hold what was not offered to be sent."""

import dataclasses

import pytest
from pydicom import Dataset

from adit.core.dicom import TransientDicomError
from adit.core.dicom.dimse import commands
from adit.core.dicom.tests.fetching import SERIES, fetch
from adit.core.dicom.tests.samples import (
    CT,
    EXPLICIT,
    IMPLICIT,
    encode,
    make_instance,
    make_series,
)
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration


def test_what_the_server_could_not_send_is_offered_in_the_syntax_that_it_tells():
    odd = "1.2.826.0.1.3680043.2.1143.1"
    instance = dataclasses.replace(make_instance(), transfer_syntax_uid=odd)
    answer = Dataset()
    answer.SOPInstanceUID, answer.SOPClassUID = instance.sop_instance_uid, CT
    answer.AvailableTransferSyntaxUID = odd
    gets = []

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        if request.field == commands.C_FIND_RQ:
            peer.answer(context, request, encode(answer, IMPLICIT))
            peer.respond(context, request, 0)
        elif (CT, odd) in peer.contexts:
            gets.append(peer.send_instance(instance))
            peer.respond(context, request, 0, completed=1)
        else:
            gets.append(None)
            peer.respond(context, request, 0xB000, completed=0, failed=1)
        peer.serve_release()

    with scripted(script) as peer:
        got, error = fetch(peer.config(study_root_find_support=True))
    assert ([i.sop_instance_uid for i in got], error) == ([instance.sop_instance_uid], None)
    assert gets == [None, 0]


def listing(*uids):
    return {SERIES: set(uids)}


class Observed:
    def __init__(self):
        self.short = []

    def list_is_short(self, series_uid):
        self.short.append(series_uid)

    def came_in_two_versions(self, source_uid, stranger=""):
        raise AssertionError(source_uid)


def get_what_fits(*instances, failed):
    """Sends what the contexts are for, and says that so many others failed."""

    def script(peer):
        peer.accept()
        context, request, _ = peer.receive()
        sent = 0
        for instance in instances:
            if (CT, EXPLICIT) in peer.contexts:
                peer.send_instance(instance)
                sent += 1
        lost = failed + len(instances) - sent
        peer.respond(context, request, 0xB000 if lost else 0, completed=sent, failed=lost)
        peer.serve_release()

    return script


@pytest.mark.parametrize("failed", [0, 1])
def test_what_comes_beyond_the_list_is_handed_over_where_it_is_wanted(failed):
    instances = make_series(3)
    named = {instances[0].sop_instance_uid}
    script = get_what_fits(*instances, failed=failed)
    with scripted(script) as peer:
        got, error = fetch(peer.config(), wanted=named, listed=listing(*named))
    assert {i.sop_instance_uid for i in got} == {i.sop_instance_uid for i in instances}
    # All that was listed came, and yet the server's word counts.
    assert (error is not None) == bool(failed)
    with scripted(script) as peer:
        got, error = fetch(peer.config(), wanted=named)
    assert (len(got), error) == (1, None)


def test_a_server_that_counts_more_than_it_lists_has_not_sent_the_series():
    instances, observer = make_series(2), Observed()
    named = {instance.sop_instance_uid for instance in instances}
    script = get_what_fits(*instances, failed=3)
    with scripted(script) as peer:
        got, error = fetch(peer.config(), wanted=named, observer=observer, listed=listing(*named))
    assert {i.sop_instance_uid for i in got} == named
    assert isinstance(error, TransientDicomError) and error.code == "short list"
    assert observer.short == [SERIES]


def test_a_second_one_under_a_uid_is_handed_over_to_be_compared():
    instances = make_series(1)
    named = {instances[0].sop_instance_uid}
    with scripted(get_what_fits(*instances, *instances, failed=0)) as peer:
        got, error = fetch(peer.config(), wanted=named, listed=listing(*named))
    assert (len(got), error) == (2, None)
