from adit.core.transfer.ledger import Ledger
from adit.core.transfer.plan import Plan, PlannedSeries


def planned(uid="s1", uids=("1", "2", "3"), **changes) -> PlannedSeries:
    named = None if uids is None else list(uids)
    defaults = {"expected": len(uids or ()), "series_number": 1, "modality": "CT"}
    return PlannedSeries(series_instance_uid=uid, instance_uids=named, **(defaults | changes))


def ledger_of(*series: PlannedSeries) -> Ledger:
    ledger = Ledger()
    ledger.expect(Plan("P", list(series)))
    return ledger


def send(ledger: Ledger, uid: str, series: str = "s1") -> None:
    assert ledger.received(series, uid, "aa" * 32, 10)
    ledger.sent(uid, f"new-{series}", f"new-{uid}", "bb" * 32, 12, "")


def test_everything_planned_is_missing_at_first():
    assert ledger_of(planned()).missing() == {"s1": {"1", "2", "3"}}


def test_what_was_sent_is_not_fetched_again():
    ledger = ledger_of(planned())
    send(ledger, "1")
    assert ledger.missing() == {"s1": {"2", "3"}}


def test_an_instance_that_comes_twice_is_wanted_once():
    ledger = ledger_of(planned())
    assert ledger.received("s1", "1", "aa" * 32, 10)
    assert not ledger.received("s1", "1", "aa" * 32, 10)


def test_what_was_received_but_not_sent_is_fetched_again():
    ledger = ledger_of(planned())
    ledger.received("s1", "1", "aa" * 32, 10)
    assert ledger.missing() == {"s1": {"1", "2", "3"}}
    assert ledger.received("s1", "1", "aa" * 32, 10)


def test_sent_is_not_confirmed():
    ledger = ledger_of(planned(uids=["1"]))
    send(ledger, "1")
    totals = ledger.totals()
    assert (totals.sent, totals.confirmed, totals.missing) == (1, 0, 1)


def test_only_what_the_destination_shows_is_confirmed():
    ledger = ledger_of(planned())
    for uid in "123":
        send(ledger, uid)
    ledger.confirmed(["new-1", "new-3", "of somebody else"])
    assert ledger.totals().confirmed == 2
    ledger.unconfirmed_are_missing("gone")
    assert ledger.missing() == {"s1": {"2"}}


def test_an_excluded_series_is_neither_fetched_nor_wanted():
    ledger = ledger_of(planned(), planned("s2", ["9"], excluded="SR is excluded"))
    assert set(ledger.missing()) == {"s1"}
    totals = ledger.totals()
    assert (totals.expected, totals.wanted, totals.excluded) == (4, 3, 1)
    assert not ledger.received("s2", "9", "aa" * 32, 10)


def test_an_excluded_series_without_instance_names_is_not_fetched():
    ledger = ledger_of(planned("s2", None, expected=5, excluded="SR is excluded"))
    assert ledger.missing() == {}
    assert ledger.totals().wanted == 0


def test_a_series_whose_instances_are_not_named_is_fetched_whole_until_its_count_is_reached():
    ledger = ledger_of(planned(uids=None, expected=2))
    assert ledger.missing() == {"s1": None}
    send(ledger, "1")
    assert ledger.missing() == {"s1": None}
    send(ledger, "2")
    assert ledger.missing() == {}


def test_a_permanent_refusal_is_not_repeated_until_the_user_asks():
    ledger = ledger_of(planned(uids=["1"]))
    ledger.received("s1", "1", "aa" * 32, 10)
    ledger.failed("1", "refused", retry=False)
    assert ledger.missing() == {}
    ledger.try_failed_again()
    assert ledger.missing() == {}, "an interrupted run is no new wish of the user"
    ledger.series[0].judged = True
    ledger.try_failed_again()
    assert ledger.missing() == {"s1": {"1"}}


def test_a_series_without_names_and_number_is_fetched_until_that_ends_without_an_error():
    ledger = ledger_of(planned(uids=None, expected=0, counted=False))
    assert ledger.missing() == {"s1": None}
    send(ledger, "1")
    assert ledger.missing() == {"s1": None}
    ledger.fetched({"s1": None})
    assert ledger.missing() == {}


def test_what_the_source_says_to_have_sent_is_progress_and_no_proof():
    ledger = ledger_of(planned())
    ledger.reported(2)
    totals = ledger.totals()
    assert (totals.done, totals.sent, totals.confirmed, totals.missing) == (2, 0, 0, 3)
    ledger.reported(99)
    assert ledger.totals().done == 3


def test_what_the_destination_holds_without_our_doing_is_confirmed():
    ledger = ledger_of(planned())
    ledger.found_unchanged("s1", ["1", "3", "of somebody else"])
    assert ledger.totals().confirmed == 2
    assert ledger.missing() == {"s1": {"2"}}


def test_an_instance_beyond_the_plan_widens_it():
    ledger = ledger_of(planned(uids=["1"]))
    send(ledger, "2")
    assert ledger.totals().expected == 2


def test_an_instance_of_a_series_that_was_not_asked_for_is_not_wanted():
    assert not ledger_of(planned()).received("other", "1", "aa" * 32, 10)


def test_a_second_plan_keeps_what_was_achieved():
    ledger = ledger_of(planned())
    send(ledger, "1")
    ledger.confirmed(["new-1"])
    ledger.expect(Plan("P", [planned(uids=["1", "2", "3", "4"])]))
    assert ledger.totals().confirmed == 1
    assert ledger.missing() == {"s1": {"2", "3", "4"}}


def beyond(ledger: Ledger, *uids: str) -> None:
    for uid in uids:
        assert ledger.is_surplus("s1", uid)
        send(ledger, uid)


def test_what_comes_beyond_a_list_has_the_series_fetched_as_a_whole():
    ledger = ledger_of(planned())
    asked, listed = ledger.missing(), ledger.listed()
    for uid in "123":
        send(ledger, uid)
    beyond(ledger, "4", "5")
    assert ledger.totals().expected == 5
    assert ledger.missing() == {"s1": None}
    ledger.fetched(asked, listed)
    assert ledger.missing() == {}
    assert [series.short for series in ledger.short_lists()] == [3]


def test_a_list_that_is_short_is_no_measure_after_a_part_was_asked_for():
    ledger = ledger_of(planned())
    send(ledger, "1")
    asked, listed = ledger.missing(), ledger.listed()
    for uid in "23":
        send(ledger, uid)
    beyond(ledger, "4")
    ledger.fetched(asked, listed)
    assert ledger.missing() == {"s1": None}
    ledger.fetched({"s1": None}, ledger.listed())
    assert ledger.missing() == {}


def test_the_next_attempt_knows_what_came_beyond_the_list():
    ledger = ledger_of(planned())
    for uid in "123":
        send(ledger, uid)
    beyond(ledger, "4")
    again = Ledger(ledger.series)
    again.series[0].short = None
    again.expect(Plan("P", [planned()]))
    assert again.missing() == {"s1": None}


def test_a_list_that_has_caught_up_is_a_measure_again():
    ledger = ledger_of(planned())
    for uid in "123":
        send(ledger, uid)
    beyond(ledger, "4")
    ledger.expect(Plan("P", [planned(uids=list("12345"))]))
    assert ledger.short_lists() == []
    assert ledger.missing() == {"s1": {"5"}}


def test_a_source_that_counts_more_than_it_lists_is_asked_for_the_whole_series():
    ledger = ledger_of(planned())
    for uid in "123":
        send(ledger, uid)
    assert ledger.missing() == {}
    ledger.list_is_short("s1")
    assert ledger.missing() == {"s1": None}
    ledger.expect(Plan("P", [planned()]))
    assert ledger.missing() == {"s1": None}
    # Nothing else came: the list was whole.
    ledger.fetched({"s1": None}, ledger.listed())
    assert (ledger.missing(), ledger.short_lists()) == ({}, [])


def test_a_second_content_under_one_uid_is_noted():
    ledger = ledger_of(planned())
    send(ledger, "1")
    ledger.came_again("1", "aa" * 32)
    assert not ledger.in_two_versions
    ledger.came_again("1", "cc" * 32)
    assert set(ledger.in_two_versions) == {"1"}
