"""One SOP Instance UID in two series of a study."""

from adit.core.transfer.ledger import Ledger
from adit.core.transfer.ledger_store import fill_row, load_series
from adit.core.transfer.plan import Plan
from adit.core.transfer.tests.unit.test_ledger import ledger_of, planned, send
from adit.core.transfer.twins import TWIN


def stored(ledger: Ledger) -> list:
    from adit.core.models import SeriesTransfer

    rows = []
    for series in ledger.series:
        row = SeriesTransfer(series_instance_uid=series.series_instance_uid)
        fill_row(row, series)
        rows.append(row)
    return rows


def test_one_is_moved_and_the_other_is_said_to_be_left():
    ledger = ledger_of(planned("s1", ["1", "2"]), planned("s2", ["2", "3"]))
    assert ledger.missing() == {"s1": {"1", "2"}, "s2": {"3"}}
    assert not ledger.received("s2", "2", "aa" * 32, 10)
    for uid, series in (("1", "s1"), ("2", "s1"), ("3", "s2")):
        send(ledger, uid, series)
    ledger.confirmed(["new-1", "new-2", "new-3"])
    totals = ledger.totals()
    assert (totals.wanted, totals.confirmed, totals.failed) == (4, 3, 1)
    assert ledger.reasons() == {TWIN: 1}


def test_what_happens_is_entered_where_it_happened():
    ledger = ledger_of(planned("s1", ["1", "2"]), planned("s2", ["2", "3"]))
    send(ledger, "2", "s1")
    send(ledger, "3", "s2")
    assert [s.new_series_instance_uid for s in ledger.series] == ["new-s1", "new-s2"]


def test_the_choice_outlives_another_order_of_the_series():
    ledger = ledger_of(planned("s1", ["1", "2"]), planned("s2", ["2", "3"]))
    again = Ledger(load_series(row) for row in reversed(stored(ledger)))
    again.expect(Plan("P", [planned("s2", ["2", "3"]), planned("s1", ["1", "2"])]))
    assert again.missing() == {"s1": {"1", "2"}, "s2": {"3"}}


def test_an_excluded_series_has_no_twins():
    ledger = ledger_of(planned("s1", ["1", "2"], excluded="why"), planned("s2", ["2", "3"]))
    assert ledger.missing() == {"s2": {"2", "3"}}
    send(ledger, "2", "s2")
    assert ledger.totals().sent == 1


def test_a_source_that_names_nothing_is_found_out_when_they_come():
    ledger = ledger_of(
        planned("s1", None, expected=2),
        planned("s2", None, expected=2),
    )
    send(ledger, "1", "s1")
    send(ledger, "2", "s1")
    assert not ledger.received("s2", "2", "aa" * 32, 10)
    send(ledger, "3", "s2")
    assert ledger.missing() == {}
    assert ledger.totals().failed == 1


def test_a_user_who_tries_again_gets_no_second_one():
    ledger = ledger_of(planned("s1", ["1", "2"]), planned("s2", ["2", "3"]))
    send(ledger, "2", "s1")
    rows = stored(ledger)
    for row in rows:
        row.state = "WARNING"
    again = Ledger(load_series(row) for row in reversed(rows))
    again.try_failed_again()
    again.expect(Plan("P", [planned("s2", ["2", "3"]), planned("s1", ["1", "2"])]))
    assert again.missing() == {"s1": {"1"}, "s2": {"3"}}


def test_what_was_refused_for_good_is_not_taken_again_with_its_series():
    ledger = ledger_of(planned("s1", None, expected=3))
    assert ledger.received("s1", "1", "aa" * 32, 10)
    ledger.failed("1", "refused", retry=False)
    assert ledger.missing() == {"s1": None}
    assert not ledger.received("s1", "1", "aa" * 32, 10)
