"""How long a peer may be away with the settings as they are shipped."""

from adit.settings import base

TEN_MINUTES = 600


def test_a_pacs_may_be_away_for_ten_minutes_and_no_task_fails():
    """Each attempt waits within its run, and the next one comes some minutes later."""
    within = base.TASK_ATTEMPTS * sum(base.TRANSFER_RECONNECT_WAITS)
    waits = base.TASK_RETRY_WAITS
    between = [waits[min(number, len(waits) - 1)] for number in range(base.TASK_ATTEMPTS - 1)]
    assert within + sum(between) > TEN_MINUTES
