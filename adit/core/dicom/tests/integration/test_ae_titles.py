"""AE titles that are none: said before anything is opened."""

from __future__ import annotations

import dataclasses

import pytest

from adit.core.dicom import DicomOperator, PermanentDicomError
from adit.core.dicom.tests.fetching import LOCAL
from adit.core.dicom.tests.scripted_peer import scripted

pytestmark = pytest.mark.integration

NONE = [
    "",
    " ",
    "X" * 17,
    "KL\N{LATIN CAPITAL LETTER U WITH DIAERESIS}",
    "A\\B",
    "A\tB",
    "A\0",
    "A\n",
]


def takes(peer):
    peer.accept()
    context, request, _ = peer.receive()
    peer.respond(context, request, 0)
    peer.serve_release()


@pytest.mark.parametrize("title", NONE)
@pytest.mark.parametrize("whose", ["called", "calling"])
def test_an_ae_title_that_is_none_is_named_with_its_rule(title, whose):
    with scripted(takes) as peer:
        config, local = peer.config(), LOCAL
        if whose == "called":
            config = dataclasses.replace(config, ae_title=title)
        else:
            local = dataclasses.replace(local, calling_ae_title=title)
        with (
            DicomOperator(config, local) as operator,
            pytest.raises(PermanentDicomError, match="AE title .*is not valid") as caught,
        ):
            operator.echo()
        assert peer.connections == 0
    assert repr(title) in str(caught.value)
    assert "1 to 16 characters" in str(caught.value)
    assert "no backslash" in str(caught.value)
    assert ("PACS" if whose == "called" else "Our own") in str(caught.value)


@pytest.mark.parametrize("title", NONE)
def test_so_is_one_to_send_to(title):
    with (
        scripted(takes) as peer,
        DicomOperator(peer.config(), LOCAL) as operator,
        pytest.raises(PermanentDicomError, match="AE title to send to is not valid"),
    ):
        operator.move(patient_id="P1", study_instance_uid="1.2", destination_ae_title=title)


@pytest.mark.parametrize("title", ["A", "X" * 16, "MY_PACS 1", " PADDED ", "a.b-c/d#1"])
def test_any_other_is_taken(title):
    with scripted(takes) as peer:
        config = dataclasses.replace(peer.config(), ae_title=title)
        with DicomOperator(config, LOCAL) as operator:
            operator.echo()
