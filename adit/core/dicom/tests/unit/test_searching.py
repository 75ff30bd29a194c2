"""What a search reads of its server, and what it says about what it did not get."""

import pytest

from adit.core.dicom import Query, ServerConfig
from adit.core.dicom.attributes import from_json
from adit.core.dicom.searching import Searcher

MOST = 200
EVERYTHING = Query()


def study(number, description="Head", **left_out):
    """An answer with all that a study can tell, but what is left out."""
    values = {
        "0020000D": ("UI", f"1.{number}"),
        "00081030": ("LO", description),
        "00080061": ("CS", "CT"),
        "00201206": ("IS", 1),
        "00201208": ("IS", 1),
    }
    return from_json(
        {
            tag: {"vr": vr, "Value": [value]}
            for tag, (vr, value) in values.items()
            if tag not in left_out.get("without", ())
        }
    )


class Server:
    """Gives studies, and to each one series; counts what is read and what is asked at once."""

    def __init__(self, studies):
        self._studies = studies
        self.read = self.open = self.most_open = self.asked_for_series = 0

    def find(self, query, level, on_warning=lambda: None):
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            if level == "STUDY":
                for answer in self._studies:
                    self.read += 1
                    yield answer
            else:
                self.asked_for_series += 1
                yield from_json(
                    {
                        "0020000E": {"vr": "UI", "Value": [f"{query.study_instance_uid}.1"]},
                        "00080060": {"vr": "CS", "Value": ["CT"]},
                        "00201209": {"vr": "IS", "Value": [1]},
                    }
                )
        finally:
            self.open -= 1


def search(server, query=EVERYTHING, limit=None, associations=1):
    config = ServerConfig(name="PACS", max_search_results=MOST, max_associations=associations)
    results = Searcher(config, server, patient_level=False).studies(query, limit)
    return list(results), results.truncated_by


@pytest.mark.parametrize(
    ("answers", "truncated_by"), [(MOST - 1, ""), (MOST, "server"), (MOST + 300, "")]
)
def test_only_as_many_answers_as_the_server_gives_at_most_may_be_a_part(answers, truncated_by):
    """A server that gave more cut nothing, however few of them match."""
    server = Server([study(number, "Head" if number < 3 else "Knee") for number in range(answers)])
    found, by = search(server, Query(study_description="Head"))
    assert (len(found), by) == (3, truncated_by)
    assert server.read == answers


@pytest.mark.parametrize("associations", [1, 4])
@pytest.mark.parametrize("without", [(), ("00201208",)], ids=["complete", "without a count"])
def test_no_more_is_read_than_the_limit_lets_through(associations, without):
    server = Server(study(number, without=without) for number in range(5000))
    found, by = search(server, limit=20, associations=associations)
    assert (len(found), by) == (20, "limit")
    assert all(one.number_of_instances == 1 for one in found)
    assert server.read == 21


def test_one_association_is_never_asked_for_two_things_at_once():
    answers = [study(n, without=("00080061",) if n % 2 else ()) for n in range(10)]
    server = Server(answers)
    found, _ = search(server, Query(modalities=("CT",)))
    assert len(found) == 10
    assert (server.most_open, server.asked_for_series) == (1, 5)


def test_where_modalities_decide_all_that_may_match_is_read():
    server = Server([study(n, without=("00080061",)) for n in range(50)])
    found, by = search(server, Query(modalities=("MR",)), limit=5)
    assert (found, by) == ([], "")
    assert server.read == 50


def test_what_is_complete_comes_before_the_last_is_read():
    server = Server(study(number) for number in range(100))
    config = ServerConfig(name="PACS", max_search_results=MOST, max_associations=1)
    results = Searcher(config, server, patient_level=False).studies(Query(), None)
    assert next(results).study_instance_uid == "1.0"
    assert server.read == 1
    results.close()
    assert server.open == 0


def person(number, born=None, sex=None, name="Doe^John"):
    values = {
        "0020000D": ("UI", f"1.{number}"),
        "00100020": ("LO", "4711"),
        "00100010": ("PN", {"Alphabetic": name}),
        "00100030": ("DA", born),
        "00100040": ("CS", sex),
        "00080061": ("CS", "CT"),
        "00201206": ("IS", 1),
        "00201208": ("IS", 1),
    }
    return from_json(
        {tag: {"vr": vr, "Value": [one]} for tag, (vr, one) in values.items() if one is not None}
    )


@pytest.mark.parametrize(
    ("answers", "patients"),
    [
        ([person(1, "19700101", "M"), person(2, "19700101", "M", "DOE^JOHN")], 1),
        ([person(1, "19700101"), person(2), person(3, None, "M")], 1),
        ([person(1, "19700101"), person(2, "19850505", name="Roe^Mary"), person(3)], 2),
        ([person(1, "19700101", "M"), person(2, "19700101", "F")], 2),
        ([person(1), person(2, "19700101"), person(3, "19850505")], 2),
    ],
)
def test_different_patients_under_one_id_are_told_apart(answers, patients):
    searcher = Searcher(
        ServerConfig(name="PACS", max_associations=2), Server(answers), patient_level=False
    )
    found = searcher.patients(Query(patient_id="4711"), None)
    assert len(list(found)) == patients
    studies = searcher.studies(Query(patient_id="4711"), None)
    assert len(list(studies)) == len(answers)
    for stream in (found, studies):
        said = [text for text in stream.remarks.sentences() if "under one patient ID" in text]
        assert len(said) == (patients > 1)


class Answers:
    """A server that answers this, whatever it is asked for."""

    def __init__(self, *answers):
        self._answers = answers

    def find(self, query, level, on_warning=lambda: None):
        yield from self._answers


COMPLETE = {"00080061": ("CS", "CT"), "00201206": ("IS", 1), "00201208": ("IS", 1)}
STUDY, OTHER = {"0020000D": ("UI", "1.1"), **COMPLETE}, {"0020000D": ("UI", "1.2"), **COMPLETE}


def look(kind, query, *answers):
    server = Answers(
        *(
            from_json({tag: {"vr": vr, "Value": [value]} for tag, (vr, value) in one.items()})
            for one in answers
        )
    )
    searcher = Searcher(ServerConfig(name="PACS"), server, patient_level=False)
    results = getattr(searcher, kind)(query, None)
    return list(results), results.remarks.sentences()


@pytest.mark.parametrize(
    ("kind", "query", "says"),
    [
        ("studies", Query(patient_id="P1"), "patient ID"),
        ("studies", Query(patient_name="Doe*"), "patient name"),
        ("studies", Query(accession_number="A1", patient_id="P1"), "patient ID and accession"),
        ("patients", Query(patient_id="P1"), "patient ID"),
        ("series", Query(modality="CT"), "modality"),
        ("series", Query(series_number=0), "series number"),
        ("instances", Query(instance_number=7), "instance number"),
    ],
)
def test_answers_that_lack_what_was_asked_for_are_kept_out_and_counted(kind, query, says):
    one = {
        "studies": STUDY,
        "patients": STUDY | {"00100040": ("CS", "M")},
        "series": {"0020000E": ("UI", "1.1.1")},
        "instances": {"00080018": ("UI", "1.1.1.1")},
    }[kind]
    found, sentences = look(kind, query, one)
    assert found == []
    assert len(sentences) == 1
    assert sentences[0].startswith("1 answer of PACS may fit and is left out")
    assert says in sentences[0]


def test_answers_that_do_not_match_anyway_are_not_counted():
    wrong = STUDY | {"00100010": ("PN", "Roe^J")}
    found, sentences = look("studies", Query(patient_id="P1", patient_name="Doe*"), wrong, OTHER)
    assert found == []
    assert sentences == (
        "1 answer of PACS may fit and is left out: it does not tell the patient ID and patient "
        "name that was asked for.",
    )


@pytest.mark.parametrize("query", [Query(), Query(patient_id="P2")])
def test_who_is_told_all_that_was_asked_for_hears_nothing(query):
    answers = [one | {"00100020": ("LO", "P1")} for one in (STUDY, OTHER)]
    found, sentences = look("studies", query, *answers)
    assert (len(found), sentences) == (0 if query.patient_id else 2, ())
