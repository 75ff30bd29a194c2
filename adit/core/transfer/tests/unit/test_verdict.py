"""In which state a task ends, by what its ledger says."""

import pytest

from adit.core.dicom import TransientDicomError
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.pipeline import Ending
from adit.core.transfer.plan import Plan, PlannedSeries
from adit.core.transfer.verdict import judge

CONFIRMED, HELD, REFUSED, EXCLUDED, ABSENT = "confirmed", "held", "refused", "excluded", "absent"


def ledger_of(states):
    """One instance for each state."""
    uids = [str(number) for number in range(len(states))]
    ledger = Ledger()
    series = PlannedSeries(series_instance_uid="s", instance_uids=uids, expected=len(uids))
    ledger.expect(Plan("P", [series]))
    for uid, state in zip(uids, states, strict=True):
        if state == CONFIRMED:
            ledger.received("s", uid, "", 1)
            ledger.sent(uid, "s", uid, "", 1, "")
            ledger.confirmed([uid])
        elif state == HELD:
            ledger.held(uid, "Held: a name.", ["a name"])
        elif state == REFUSED:
            ledger.failed(uid, "refused", retry=False)
        elif state == EXCLUDED:
            ledger.excluded(uid, "not wanted")
    return ledger


@pytest.mark.parametrize(
    ("states", "state", "retry"),
    [
        ([CONFIRMED], "SUCCESS", False),
        ([CONFIRMED, EXCLUDED], "SUCCESS", False),
        ([CONFIRMED, HELD], "WARNING", False),
        ([CONFIRMED, REFUSED], "WARNING", False),
        ([CONFIRMED, ABSENT], "WARNING", True),
        ([HELD], "WARNING", False),
        ([HELD, HELD, EXCLUDED], "WARNING", False),
        ([HELD, REFUSED], "WARNING", False),
        ([HELD, ABSENT], "WARNING", True),
        ([REFUSED], "FAILURE", False),
        ([ABSENT], "FAILURE", True),
        ([EXCLUDED], "FAILURE", False),
        ([], "FAILURE", True),
    ],
)
def test_the_ledger_alone_decides(states, state, retry):
    away = TransientDicomError("It is away.") if ABSENT in states else None
    result = judge(ledger_of(states), Ending(away, (), ""), "THERE")
    assert (result.state, result.retry) == (state, retry)


def test_a_complete_transfer_with_something_to_say_is_a_warning():
    result = judge(ledger_of([CONFIRMED]), Ending(None, ("The list was cut.",), ""), "THERE")
    assert (result.state, result.retry) == ("WARNING", False)
    assert result.message == "1 of 1 instance confirmed at THERE. The list was cut."


def test_all_that_has_to_be_said_is_said_in_sentences():
    ending = Ending(None, ("The list was cut.", "One came twice"), "")
    message = judge(ledger_of([CONFIRMED]), ending, "THERE").message
    assert message.endswith("confirmed at THERE. The list was cut. One came twice.")


def test_it_says_where_an_unfinished_study_lies():
    ending = Ending(None, (), "", "job/study-1.incomplete")
    result = judge(ledger_of([CONFIRMED, HELD]), ending, "THERE")
    assert "they lie in job/study-1.incomplete. 1: Held: a name." in result.message
