from collections import Counter

from adit.core.models.records import InstanceState
from adit.core.transfer.deid_counts import FURTHER, MOST_UNKNOWN, DeidCounts
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.plan import Plan, PlannedSeries


def counts(**actions: int) -> DeidCounts:
    return DeidCounts(1, Counter(actions), Counter({"(0019) SOME MAKER": 2}))


def ledger_of(*uids: str) -> Ledger:
    ledger = Ledger()
    ledger.expect(Plan("", [PlannedSeries(series_instance_uid="1.2", instance_uids=list(uids))]))
    return ledger


def send(ledger: Ledger, uid: str) -> None:
    ledger.received("1.2", uid, "aa" * 32, 10)
    ledger.deidentified(uid, counts(keep=3, remove=1))
    ledger.sent(uid, "2.25.1", f"2.25.{uid}", "bb" * 32, 10, "")


def test_an_instance_that_is_sent_twice_counts_once():
    ledger = ledger_of("1.1", "1.3")
    send(ledger, "1.1")
    ledger.unconfirmed_are_missing("not found")
    send(ledger, "1.1")
    send(ledger, "1.3")
    (series,) = ledger.series
    assert series.deid_counts.instances == 2
    assert series.deid_counts.actions == Counter(keep=6, remove=2)
    assert series.deid_counts.unknown == Counter({"(0019) SOME MAKER": 4})


def test_an_instance_that_the_destination_refused_does_not_count():
    ledger = ledger_of("1.1")
    ledger.received("1.2", "1.1", "aa" * 32, 10)
    ledger.deidentified("1.1", counts(keep=3))
    ledger.failed("1.1", "refused", retry=True)
    (series,) = ledger.series
    assert series.deid_counts.instances == 0


def test_counts_come_back_from_their_compact_form():
    total = DeidCounts()
    total.add(counts(keep=2))
    assert DeidCounts.from_json(total.to_json()) == total
    assert DeidCounts().to_json() == {}


def test_of_very_many_unknown_attributes_the_ledger_names_the_first():
    total = DeidCounts()
    total.add(DeidCounts(1, Counter(), Counter({f"({n:04X})": 1 for n in range(500)})))
    assert len(total.unknown) == MOST_UNKNOWN + 1
    assert total.unknown[FURTHER] == 500 - MOST_UNKNOWN


def test_a_held_instance_keeps_what_it_was_held_for():
    ledger = ledger_of("1.1")
    ledger.received("1.2", "1.1", "aa" * 32, 10)
    ledger.held("1.1", "Held.", ["b", "a", "b"])
    (series,) = ledger.series
    record = series.records["1.1"]
    assert (record.state, record.findings) == (InstanceState.HELD, ("a", "b"))
