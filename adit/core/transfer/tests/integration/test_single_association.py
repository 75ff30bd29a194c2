"""Servers that take one association at once, no more: a whole transfer needs no second one."""

import pytest

from adit.core.factories import DicomServerFactory
from adit.core.models import DicomServer
from adit.core.transfer import association_slots
from adit.test_pacs.double import PacsDouble

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

# What is wrong meanwhile, at the source and at the destination.
TROUBLE = {
    "nothing": ({}, {}),
    "source breaks off": ({"abort_after": 7}, {}),
    "source is full for a moment": ({"refuse_next": 1}, {}),
    "destination is full for a moment": ({}, {"refuse_next": 2}),
    "destination takes not all at once": ({}, {"refuse_every_nth_store": 9}),
    "destination closes what is idle": ({"delay": 0.02}, {"close_idle_after": 0.3}),
}


@pytest.fixture(autouse=True)
def impatient(settings, monkeypatch):
    """Who waits for a place that the run itself holds fails soon."""
    monkeypatch.setattr(association_slots, "_PATIENCE_SECONDS", 5.0)
    settings.CONFIRM_PATIENCE_SECONDS = 2


@pytest.fixture
def taker(transactional_db):
    with PacsDouble("TAKER") as double:
        yield double


@pytest.fixture
def small_taker(taker):
    """The destination as it is set up here; it commits itself, too."""
    taker.faults.max_associations = 1
    return DicomServerFactory(
        name="TAKER",
        ae_title="TAKER",
        port=taker.port,
        max_associations=1,
        storage_commitment_support=True,
    )


@pytest.fixture
def small_source(double_source, pacs):
    pacs.faults.max_associations = 1
    DicomServer.objects.filter(pk=double_source.pk).update(max_associations=1)
    return DicomServer.objects.get(pk=double_source.pk)


@pytest.mark.parametrize("trouble", list(TROUBLE))
def test_a_transfer_completes(trouble, small_source, small_taker, pacs, taker, make_task, work):
    for double, faults in zip((pacs, taker), TROUBLE[trouble], strict=True):
        for name, value in faults.items():
            setattr(double.faults, name, value)
    result = work(make_task(small_taker, source=small_source))
    assert (result.state, len(taker.archive)) == ("SUCCESS", 40), result.message


def test_what_c_find_does_not_tell_is_committed_to(
    small_source, small_taker, pacs, taker, make_task, work
):
    taker.faults.refused_levels = ("IMAGE",)
    task = make_task(small_taker, source=small_source, pseudonym="")
    result = work(task)
    assert (result.state, len(taker.archive)) == ("SUCCESS", 40), result.message
    assert task.proof == "committed to by TAKER (storage commitment)"
