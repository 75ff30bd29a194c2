"""Long lists of UIDs go in several requests, and their answers come as one."""

from __future__ import annotations

import itertools

import pytest

from adit.core.dicom import PermanentDicomError, Query, ServerConfig
from adit.core.dicom.attributes import from_json
from adit.core.dicom.dimse.identifiers import encode_identifier
from adit.core.dicom.query import uid_list
from adit.core.dicom.searching import Searcher
from adit.core.dicom.tests.samples import EXPLICIT, IMPLICIT
from adit.core.dicom.uid_batches import halved, in_batches


def uids(count):
    return [f"1.2.840.113619.2.404.3.{number:038d}" for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [0, 1, 2, 249, 250, 251, 2230])
@pytest.mark.parametrize("longest", [100, 4000, 16000])
def test_the_parts_together_are_the_list(count, longest):
    parts = in_batches(Query(study_instance_uid=uids(count), patient_id="P"), longest)
    lists = [uid_list(part.study_instance_uid) for part in parts]
    assert list(itertools.chain(*lists)) == uids(count)
    assert all(part.patient_id == "P" for part in parts)
    for one in lists:
        assert len(one) <= 250
        assert len(one) <= 1 or len("\\".join(one)) <= longest


def test_each_part_of_one_list_is_asked_for_with_each_of_the_other():
    query = Query(study_instance_uid=uids(4), series_instance_uid=uids(6))
    pairs = [
        pair
        for part in in_batches(query, 130)
        for pair in itertools.product(part.study_instance_uid, part.series_instance_uid)
    ]
    assert sorted(pairs) == sorted(itertools.product(uids(4), uids(6)))


def test_a_part_can_be_halved_until_it_is_one():
    query = Query(study_instance_uid="1.2", sop_instance_uid=uids(3))
    first, second = halved(query)
    assert (*first.sop_instance_uid, *second.sop_instance_uid) == tuple(uids(3))
    assert halved(first) == []
    assert halved(Query()) == []


class Server:
    """Holds studies, and looks at the list of UIDs, or does not."""

    def __init__(self, held, looks=True, most=10**9, cap=10**9):
        self._held, self._looks, self._most, self._cap = held, looks, most, cap
        self.asked = []

    def find(self, query, level, on_warning=lambda: None):
        wanted = uid_list(query.study_instance_uid)
        self.asked.append(len(wanted))
        if len(wanted) > self._most:
            raise PermanentDicomError("Too long.", code="HTTP 414")
        found = [uid for uid in self._held if uid in wanted or not self._looks]
        for uid in found[: self._cap]:
            yield from_json(
                {
                    "0020000D": {"vr": "UI", "Value": [uid]},
                    "00080061": {"vr": "CS", "Value": ["CT"]},
                    "00201206": {"vr": "IS", "Value": [1]},
                    "00201208": {"vr": "IS", "Value": [1]},
                }
            )


def search(server, wanted, limit=None, most=100_000):
    config = ServerConfig(name="PACS", max_search_results=most)
    searcher = Searcher(config, server, patient_level=False, longest_uid_list=4000)
    results = searcher.studies(Query(study_instance_uid=wanted), limit)
    return [one.study_instance_uid for one in results], results


@pytest.mark.parametrize("looks", [True, False], ids=["looks", "ignores the list"])
def test_the_answers_to_all_parts_come_once(looks):
    server = Server([*uids(2230), "1.9"], looks)
    found, results = search(server, uids(2230))
    assert sorted(found) == uids(2230)
    assert not results.truncated
    assert len(server.asked) > 30


def test_a_limit_holds_over_all_parts():
    server = Server(uids(2230))
    found, results = search(server, uids(2230), limit=100)
    assert (len(found), results.truncated_by) == (100, "limit")
    assert len(server.asked) == 2


def test_one_part_that_the_server_cut_is_a_list_that_is_cut():
    """It gives 20 at most: the list is longer, and yet one part of it may be cut."""

    class Capped:
        def find(self, query, level, on_warning=lambda: None):
            for uid in uid_list(query.sop_instance_uid)[:20]:
                yield from_json({"00080018": {"vr": "UI", "Value": [uid]}})

    config = ServerConfig(name="PACS", max_search_results=20)
    searcher = Searcher(config, Capped(), patient_level=False, longest_uid_list=4000)
    for count, by in ((65 + 20, "server"), (65, "server"), (19, "")):
        results = searcher.instances(Query(sop_instance_uid=uids(count)), None)
        list(results)
        assert results.truncated_by == by


def test_a_part_that_is_still_too_long_is_halved():
    server = Server(uids(200), most=10)
    found, _ = search(server, uids(200))
    assert sorted(found) == uids(200)


def test_what_cannot_be_halved_is_an_error():
    with pytest.raises(PermanentDicomError):
        search(Server(uids(2), most=0), uids(2))


def test_a_value_that_explicit_vr_cannot_hold_is_an_error_of_ours():
    keys = {"PatientID": "x" * 70_000}
    assert len(encode_identifier(keys, IMPLICIT, "ISO_IR 100")) > 70_000
    with pytest.raises(PermanentDicomError, match="too long"):
        encode_identifier(keys, EXPLICIT, "ISO_IR 100")
