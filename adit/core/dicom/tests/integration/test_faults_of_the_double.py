"""Every fault of the PACS double: what the user sees, and that nothing is lost or doubled.

The table has a row for each; a fault without one fails the last test.
"""

import contextlib
import dataclasses
import time
from dataclasses import dataclass, field

import pytest

from adit.core.dicom import (
    DicomError,
    DicomOperator,
    LocalConfig,
    Query,
    RetrieveProtocol,
    ServerConfig,
    TlsConfig,
)
from adit.core.dicom.dimse import pool
from adit.core.dicom.tests.incoming import TestIncoming
from adit.core.dicom.tests.samples import make_series
from adit.stack.ports import free_port
from adit.test_pacs import PacsDouble
from adit.test_pacs.double import QUERY_RETRIEVE
from adit.test_pacs.faults import Faults

pytestmark = pytest.mark.integration

RECEIVER = "FAULT_RECEIVER"
LOCAL = LocalConfig(receiver_ae_title=RECEIVER, progress_timeout=15, network_timeout=15)
COUNT = 8


@dataclass
class Case:
    """A fault, what is done while it is on, how many instances (or answers) come, what is said."""

    fault: str
    value: object
    do: str
    count: int
    says: str = ""
    others: dict[str, object] = field(default_factory=dict)

    @property
    def name(self):
        return f"{self.fault}-{self.do}"


CASES = [
    Case("refuse_associations", True, "get", 0, "Check the AE titles here and there"),
    Case("refuse_associations", True, "store", 0, "Check the AE titles here and there"),
    Case("refuse_next", 1, "get", COUNT),
    Case("refuse_next", 1, "store", 60),
    Case("refuse_next", 99, "get", 0, "congested for the moment. [rejected 2/3/1] Try again later"),
    Case("max_associations", 1, "store", 60),
    Case("max_associations", 1, "get", COUNT),
    Case("allowed_calling_ae_titles", ["OTHER"], "get", 0, "does not know our AE title"),
    Case("reject_contexts", [f"{QUERY_RETRIEVE}2.3"], "get", 0, "[context rejected]"),
    Case("close_connections", True, "get", 0, "The connection to SOURCE broke"),
    Case("fail_tls_handshake", True, "tls", 0, "Check on both sides whether TLS is on"),
    Case("close_idle_after", 3, "store twice", 120),
    Case("result_cap", 3, "find studies", 3, "truncated by server"),
    Case("ignored_keys", ["PatientSex", "StudyDescription"], "find one", 1),
    Case("refused_levels", ["IMAGE"], "find instances", 0, "not accept this query at this level"),
    Case("silent_levels", ["IMAGE"], "find instances", 0),
    Case("empty_series", True, "list series", 2),
    Case("answer_for_patient", "P2", "find one", 0),
    Case("no_patient_below_study", True, "find instances", COUNT),
    Case("nameless_levels", ["IMAGE"], "find instances", COUNT - 1, "could not be read"),
    Case("nameless_levels", ["STUDY"], "find one", 0, "could not be read"),
    Case("pad_uids", "nul", "find instances", COUNT),
    Case("pad_uids", "space", "find instances", COUNT),
    Case("endless_pending_find", True, "find instances", 1, "repeats the same answer"),
    Case("fail_gets", True, "get", 0, "was unable to process the request. [C000]"),
    Case("fail_moves", True, "move", 0, "was unable to process the request. [C000]"),
    Case("stop_mid_data_set", 3, "get", 2, "sent nothing new for 15 seconds. [no progress]"),
    Case("stop_mid_data_set", 3, "move", 2, "[no progress]"),
    Case("abort_after", 3, "get", 3, "aborted the association"),
    Case("abort_after", 3, "move", 3, "aborted the association"),
    Case("leave_out", 2, "get", COUNT - 2, "did not send 2 of 8 instances. [incomplete]"),
    Case("leave_out", 2, "move", COUNT - 2, "did not send 2 of 8 instances. [incomplete]"),
    Case("success_before_sending", True, "move", COUNT),
    Case("all_failed_but_success", True, "get", 0, "could not send 8 of the instances"),
    Case("all_failed_but_success", True, "move", 0, "could not send 8 of the instances"),
    Case("zero_suboperations", True, "get", 0, "did not send 8 of 8 instances"),
    Case("zero_suboperations", True, "move", 0, "did not send 8 of 8 instances"),
    Case("endless_pending", True, "get", COUNT),
    Case("endless_pending", True, "move", COUNT),
    Case("duplicates", True, "get", COUNT),
    Case("duplicates", True, "move", COUNT),
    Case("wrong_patient", True, "get", 0, "belong to another study or series. [misplaced]"),
    Case("wrong_patient", True, "move", 0, "belong to another study or series. [misplaced]"),
    Case("calling_ae_title", "STRANGER", "move", COUNT),
    Case("no_move_originator", True, "move", COUNT),
    Case("refuse_every_nth_store", 3, "store", 40, "has no space left. [A700]"),
    Case("refuse_every_nth_store", 1, "store", 0, "Ask the administrator of the server to make"),
    Case(
        "refuse_store_status", 0xC000, "store", 40, "could not understand the data set. [C000]",
        {"refuse_every_nth_store": 3},
    ),
    Case("warn_every_nth_store", 3, "store with warnings", 20),
    Case("forget_every_nth_store", 3, "store and ask", 40),
    Case("commitment_on_new_association", True, "commit", 0, "must know our AE title"),
    Case("forget_commitment", True, "commit", 0, "did not report on 8 of 8 instances"),
    Case("refuse_commitment", True, "commit", 0, "the server does not have the instance"),
    Case("delay", 0.05, "get", COUNT),
    Case("delay", 0.05, "move", COUNT),
]  # fmt: skip


class Bench:
    """The double with a series of one patient and studies of another, and what is done to it."""

    def __init__(self, pacs, incoming):
        self.pacs = pacs
        self.incoming = incoming
        self.held = make_series(COUNT)
        others = [
            instance
            for number in range(4)
            for instance in make_series(
                2,
                PatientID="P2",
                PatientName="Roe^Richard",
                StudyInstanceUID=f"1.2.3.9.{number}",
                SeriesInstanceUID=f"1.2.3.9.{number}.1",
            )
        ]
        for instance in [*self.held, *others]:
            pacs.archive.add_encoded(instance.read(), instance.transfer_syntax_uid)
        self.before = len(pacs.archive)

    def operator(self, **changes):
        config = ServerConfig(
            name="SOURCE",
            ae_title="SOURCE",
            host="127.0.0.1",
            port=self.pacs.port,
            study_root_find_support=True,
            study_root_get_support=True,
            study_root_move_support=True,
            store_scp_support=True,
            storage_commitment_support=True,
            max_search_results=3,
        )
        config = dataclasses.replace(config, **changes)
        return DicomOperator(config, LOCAL, incoming=self.incoming)

    def do(self, what):
        """How many came, and what was said."""
        return getattr(self, f"do_{what.replace(' ', '_')}")()

    def do_get(self, protocol=RetrieveProtocol.C_GET):
        got, said = [], ""
        with self.operator() as operator:
            try:
                for instance in operator.fetch(
                    patient_id="P1",
                    study_instance_uid="1.2.3.1",
                    series={"1.2.3.1.1": {i.sop_instance_uid for i in self.held}},
                    protocol=protocol,
                ):
                    got.append(instance)
            except DicomError as error:
                said = str(error)
        sent = {i.sop_instance_uid: i.read() for i in self.held}
        assert len({i.sop_instance_uid for i in got}) == len(got), "one came twice"
        assert all(i.read() == sent[i.sop_instance_uid] for i in got)
        return len(got), said

    def do_move(self):
        return self.do_get(RetrieveProtocol.C_MOVE)

    def do_tls(self):
        with self.operator(tls=TlsConfig()) as operator:
            try:
                operator.echo()
            except DicomError as error:
                return 0, str(error)
        return 1, ""

    def do_store(self, times=1):
        accepted, said = [], ""
        with self.operator() as operator:
            for number in range(times):
                if number:
                    # Longer than the double bears it; and that longer than a busy machine pauses.
                    time.sleep(5)
                instances = make_series(60)
                outcomes = list(operator.store(instances))
                assert [o.instance for o in outcomes] == instances
                accepted += [o for o in outcomes if o.accepted]
                said = next((str(o.error) for o in outcomes if o.error), said)
        return len(accepted), said

    def do_store_twice(self):
        return self.do_store(times=2)

    def do_store_and_ask(self):
        """All are accepted, but not all are there: only asking tells."""
        accepted, _ = self.do_store()
        assert accepted == 60
        return len(self.pacs.archive) - self.before, ""

    def do_find_studies(self):
        with self.operator() as operator:
            results = operator.find_studies(Query())
            count = len(list(results))
        return count, f"truncated by {results.truncated_by}"

    def do_find_one(self):
        with self.operator() as operator:
            query = Query(patient_id="P1", patient_sex="F", study_description="He*")
            try:
                return len(list(operator.find_studies(query))), ""
            except DicomError as error:
                return 0, str(error)

    def do_find_instances(self):
        query = Query(study_instance_uid="1.2.3.1", series_instance_uid="1.2.3.1.1")
        found, said = [], ""
        with self.operator(max_search_results=1000) as operator:
            try:
                for result in operator.find_instances(query):
                    found.append(result.sop_instance_uid)
            except DicomError as error:
                said = str(error)
        assert set(found) <= {i.sop_instance_uid for i in self.held}
        return len(found), said

    def do_list_series(self):
        """The listed series; the one without an instance is told by asking for its instances."""
        query = Query(study_instance_uid="1.2.3.1")
        with self.operator() as operator:
            series = [s.series_instance_uid for s in operator.find_series(query)]
            (empty,) = set(series) - {"1.2.3.1.1"}
            of_empty = dataclasses.replace(query, series_instance_uid=empty)
            assert list(operator.find_instances(of_empty)) == []
        return len(series), ""

    def do_store_with_warnings(self):
        """How many were taken with a warning; all 60 are there."""
        with self.operator() as operator:
            outcomes = list(operator.store(make_series(60)))
        assert all(o.accepted for o in outcomes)
        assert len(self.pacs.archive) - self.before == 60
        warned = [o for o in outcomes if o.warning]
        assert {o.warning for o in warned} == {"The destination discarded some elements."}
        return len(warned), ""

    def do_commit(self):
        references = [(i.sop_class_uid, i.sop_instance_uid) for i in self.held]
        with self.operator() as operator:
            result = operator.commit(references, patience=1)
        said = " ".join([str(result.error or ""), *result.failed.values()])
        return len(result.committed), said


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Another attempt after a moment; how long the real pauses are says nothing here."""
    monkeypatch.setattr(pool, "_PAUSES", (0.05, 0.1))


@pytest.fixture
def bench():
    port = free_port()
    inbox = TestIncoming(RECEIVER, port)
    with PacsDouble("SOURCE", peers={RECEIVER: ("127.0.0.1", port)}) as pacs:
        yield Bench(pacs, inbox)
    inbox.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_is_seen_and_loses_and_doubles_nothing(case, bench):
    for name, value in {case.fault: case.value, **case.others}.items():
        setattr(bench.pacs.faults, name, value)
    count, said = bench.do(case.do)
    assert (count, case.says in said) == (case.count, True), said
    if not case.says:
        assert said == ""


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.do in ("get", "move") and c.says], ids=lambda case: case.name
)
def test_when_the_fault_is_gone_the_rest_comes(case, bench):
    setattr(bench.pacs.faults, case.fault, case.value)
    bench.do(case.do)
    bench.pacs.faults.clear()
    assert bench.do("get") == (COUNT, "")


@pytest.mark.parametrize("protocol", [RetrieveProtocol.C_GET, RetrieveProtocol.C_MOVE])
def test_a_source_that_always_breaks_off_early_brings_all_in_the_end(protocol, bench):
    """What is missing is asked for by name: the series again would bring the same first ones."""
    bench.pacs.faults.abort_after = 3
    query = Query(study_instance_uid="1.2.3.1", series_instance_uid="1.2.3.1.1")
    got = []
    with bench.operator(max_search_results=1000) as operator:
        missing = {result.sop_instance_uid for result in operator.find_instances(query)}
        for _ in range(3):
            with contextlib.suppress(DicomError):
                for instance in operator.fetch(
                    patient_id="P1",
                    study_instance_uid="1.2.3.1",
                    series={"1.2.3.1.1": missing},
                    protocol=protocol,
                ):
                    got.append(instance.sop_instance_uid)
            missing -= set(got)
    assert sorted(got) == sorted(i.sop_instance_uid for i in bench.held)


def test_many_instances_are_named_over_several_requests(bench):
    for instance in (more := make_series(142)):
        bench.pacs.archive.add_encoded(instance.read(), instance.transfer_syntax_uid)
    wanted = {i.sop_instance_uid for i in [*bench.held, *more[:-10]]}
    query = Query(study_instance_uid="1.2.3.1", series_instance_uid="1.2.3.1.1")
    for protocol in (RetrieveProtocol.C_GET, RetrieveProtocol.C_MOVE):
        with bench.operator(max_search_results=1000, progress_timeout=60) as operator:
            assert len(list(operator.find_instances(query))) == 150
            got = operator.fetch(
                patient_id="P1",
                study_instance_uid="1.2.3.1",
                series={"1.2.3.1.1": wanted},
                protocol=protocol,
            )
            assert {i.sop_instance_uid for i in got} == wanted
        assert bench.pacs.seen.operations()[protocol] == 3


def test_every_fault_has_a_row():
    assert {case.fault for case in CASES} == {item.name for item in dataclasses.fields(Faults)}
