import pytest

from adit.core.dicom import PermanentDicomError, TransientDicomError
from adit.core.transfer.reconnect import Reconnect, from_another

BROKEN = TransientDicomError("The connection broke.", code="broken")
SHORT = TransientDicomError("It did not send all.", code="incomplete")


def test_a_broken_connection_is_tried_after_each_wait_and_then_given_up():
    reconnect = Reconnect([1, 5, 15])
    waits = [reconnect.wait_after(BROKEN, progressed=False) for _ in range(4)]
    assert waits == [1, 5, 15, None]


def test_progress_starts_the_waits_anew():
    reconnect = Reconnect([1, 5])
    assert reconnect.wait_after(BROKEN, progressed=False) == 1
    assert reconnect.wait_after(BROKEN, progressed=True) == 1
    assert reconnect.wait_after(BROKEN, progressed=False) == 5


def test_a_source_that_answered_short_is_asked_again_only_while_that_brings_something():
    reconnect = Reconnect([1])
    assert reconnect.wait_after(SHORT, progressed=True) == 1
    assert reconnect.wait_after(SHORT, progressed=False) is None


def test_what_is_permanent_is_never_tried_again():
    refused = PermanentDicomError("Not here.", code="A900")
    assert Reconnect([1]).wait_after(refused, progressed=True) is None


def test_a_run_does_not_try_for_ever():
    reconnect = Reconnect([0])
    tries = 0
    while reconnect.wait_after(BROKEN, progressed=True) is not None:
        tries += 1
        assert tries < 1000
    assert tries > 10


@pytest.mark.parametrize(
    ("count", "attempt", "order"),
    [
        (5, 1, "abcde"),
        (5, 2, "cdeab"),
        (5, 3, "eabcd"),
        (5, 4, "bcdea"),
        (2, 2, "ab"),
        (1, 3, "a"),
        (0, 2, ""),
    ],
)
def test_each_attempt_begins_with_other_series(count, attempt, order):
    asked = {uid: {uid.upper()} for uid in "abcde"[:count]}
    found = from_another(asked, attempt)
    assert "".join(found) == order
    assert dict(found) == asked
