"""Whose a study is, by what a server says and by what it cannot say."""

from typing import Any

import pytest

from adit.core.dicom import (
    PermanentDicomError,
    ResultStream,
    StudyResult,
    TransientDicomError,
)
from adit.core.dicom.remarks import Remarks
from adit.core.transfer.patients import Ownership, is_shared, patients_of


def server(*patients: str | None, error: Exception | None = None) -> Any:
    return Server(*patients, error=error)


class Server:
    """Answers each query with the same studies, or with an error."""

    unreadable = 0

    def __init__(self, *patients, error=None):
        self._patients = patients
        self._error = error

    def find_studies(self, query):
        assert not query.patient_id
        if self._error is not None:
            raise self._error
        studies = [StudyResult(study_instance_uid="1.2", patient_id=p) for p in self._patients]
        remarks = Remarks("PACS", unreadable=self.unreadable)
        return ResultStream(iter(studies), limit=None, remarks=remarks)


@pytest.mark.parametrize(
    ("patients", "shared"),
    [
        ([], False),
        (["A"], False),
        ([" A"], False),
        ([None], False),
        (["A", "B"], True),
        (["B"], True),
        (["A", "a"], True),
        (["A", None], True),
    ],
)
def test_a_study_is_shared_where_it_is_there_under_another_id(patients, shared):
    assert is_shared(server(*patients), "1.2", "A") == shared


@pytest.mark.parametrize(
    "error",
    [
        PermanentDicomError("It lacks that.", code="A900"),
        TransientDicomError("It is unable to process.", code="C000"),
    ],
)
def test_a_server_that_does_not_answer_to_the_uid_alone_is_no_obstacle(error):
    assert patients_of(server(error=error), "1.2") == set()
    assert not is_shared(server(error=error), "1.2", "A")


def test_an_answer_that_cannot_be_read_may_be_of_another_patient():
    unclear = server("A")
    unclear.unreadable = 1
    with pytest.raises(PermanentDicomError, match="could not be read"):
        is_shared(unclear, "1.2", "A")


def test_a_server_that_is_away_says_nothing():
    with pytest.raises(TransientDicomError):
        patients_of(server(error=TransientDicomError("It is away.")), "1.2")


def told() -> Any:
    """A run that keeps its events."""
    return Told()


class Told:
    def __init__(self):
        self.events = []

    def event(self, text, level):
        self.events.append(text)


def test_of_a_shared_study_only_the_patients_own_is_accepted():
    owner, run = Ownership("Ä1", shared=True), told()
    accepted = [owner.accepts(text, run) for text in ("Ä1", "A\u03081 ", "Ä2", "ä1", "")]
    assert accepted == [True, True, False, False, False]
    assert run.events == []


def test_another_id_of_a_study_that_nobody_shares_is_said_once():
    owner, run = Ownership("A", shared=False), told()
    assert all(owner.accepts(text, run) for text in ("A", "B", "C", ""))
    assert len(run.events) == 1
    assert owner.seen == {"A", "B", "C", ""}


@pytest.mark.parametrize(
    ("headers", "remarked"),
    [(["A", "a ", ""], False), (["OLD", "OLD"], False), (["A", "B"], True), (["B", "C", ""], True)],
)
def test_several_ids_within_one_study_are_remarked(headers, remarked):
    owner = Ownership("A", shared=False)
    assert all(owner.accepts(text, told()) for text in headers)
    assert bool(owner.remarks()) is remarked


def test_what_was_not_listed_is_taken_under_a_known_patient_id_only():
    owner, run = Ownership("A", shared=False), told()
    assert owner.accepts("OLD", run)
    taken = [owner.accepts(text, run, listed=False) for text in ("A ", "OLD ", "B", "")]
    assert taken == [True, True, False, False]
    assert [text for text in owner.remarks() if "2 instances came" in text]
