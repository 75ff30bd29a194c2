import pytest

from adit.core.transfer.tests.synthetic import fill, ledger_bytes, make_job

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def test_a_million_instances_would_take_less_than_150_megabytes():
    """Measured at a tenth of it: 10 tasks of 5 series of 40 instances at a time."""
    instances = fill(iter(make_job(600)[1]), 100_000, 40)
    assert ledger_bytes() * (1_000_000 / instances) < 150_000_000
