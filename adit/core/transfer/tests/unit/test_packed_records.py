"""The compact form of a series, whatever happens to its records between two writes."""

import random
import time

import pytest

from adit.core.models.records import InstanceState, decode_records, encode_records
from adit.core.transfer.packed_records import _FEW
from adit.core.transfer.plan import Plan, PlannedSeries
from adit.core.transfer.tests.synthetic import SERIES, big_ledger, send


def write(series, *, compact=False):
    return series.packed.enter(series.take_changes(compact=compact))


def mix(ledger, uids, rng):
    """Something that a run does to its ledger."""
    (one,) = ledger.series
    here = [uid for uid in uids if one.records[uid].state is not InstanceState.EXCLUDED]
    some = rng.sample(here, 30)
    match rng.randrange(13):
        case 0 | 1:
            for uid in some:
                send(ledger, uid)
        case 2:
            ledger.unconfirmed_are_missing("not found")
        case 3:
            ledger.confirmed([r.new_uid for rs in ledger.sent_unconfirmed().values() for r in rs])
        case 4:
            for uid in some:
                ledger.failed(uid, f"refused {uid[-1]}", retry=rng.random() < 0.5)
        case 5:
            for uid in some:
                ledger.held(uid, "Held: a name.", [f"kind {uid[-1]}"], "ef" * 32)
        case 6:
            ledger.received(SERIES, some[0], "ab" * 32, 7)
            ledger.received(SERIES, f"9.{rng.random()}", "cd" * 32, 7)
        case 7:
            for series in ledger.series:
                series.judged = True
            ledger.try_failed_again()
            ledger.found_unchanged(SERIES, some)
        case 8:
            ledger.start_broken_series_anew()
            ledger.excluded(some[0], "no pixels")
        case 9:
            ledger.missing()
        case 10:
            for uid in some:
                ledger.of_another_patient(SERIES, uid)
        case 11:
            ledger.others_are_final()
        case 12:
            uids += [f"8.{rng.random()}", f"8.{rng.random()}"]
            series = PlannedSeries(series_instance_uid=SERIES, instance_uids=uids)
            ledger.expect(Plan("P", [series]))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("number", [_FEW // 4, 3 * _FEW])
def test_what_is_written_is_what_the_ledger_holds(number, seed):
    rng = random.Random(seed)
    ledger, series, uids = big_ledger(number)
    for _ in range(60):
        for _ in range(rng.randrange(3)):
            mix(ledger, uids, rng)
        assert decode_records(write(series)) == list(series.records.values())
    assert decode_records(write(series, compact=True)) == list(series.records.values())


def test_what_is_outdated_never_outgrows_what_counts_and_goes_at_the_end():
    ledger, series, uids = big_ledger(3 * _FEW)
    for uid in uids:
        send(ledger, uid)
    alone = len(encode_records(series.records.values()))
    write(series)
    for number in range(4 * _FEW):
        ledger.unconfirmed_are_missing("not found") if number % 40 == 0 else None
        send(ledger, uids[number % len(uids)])
        assert len(write(series)) < 3 * alone
    ledger.confirmed(record.new_uid for record in series.records.values())
    assert len(write(series, compact=True)) <= 1.01 * alone


def test_a_series_of_outdated_blocks_is_written_at_the_end_though_nothing_changed():
    ledger, series, uids = big_ledger(3 * _FEW)
    ledger.take_dirty()
    write(series)
    send(ledger, uids[0])
    assert ledger.take_dirty() == [series]
    write(series)
    assert ledger.take_dirty() == []
    assert ledger.take_dirty(compact=True) == [series]
    write(series, compact=True)
    assert ledger.take_dirty(compact=True) == []


def test_a_change_costs_by_itself_and_not_by_the_length_of_the_series():
    ledger, series, uids = big_ledger(50_000)
    for uid in uids[:25_000]:
        send(ledger, uid)
    begin = time.process_time()
    write(series)
    whole = time.process_time() - begin
    for uid in uids[25_000:25_200]:
        send(ledger, uid)
    begin = time.process_time()
    data = write(series)
    assert time.process_time() - begin < whole / 10
    states = [record.state for record in decode_records(data)]
    assert states.count(InstanceState.SENT) == 25_200
