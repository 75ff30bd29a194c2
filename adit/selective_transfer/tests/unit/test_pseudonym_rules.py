"""What pseudonyms may be within one basket."""

from datetime import date

import pytest

from adit.selective_transfer.basket import Basket
from adit.selective_transfer.pseudonyms import REQUIRED, refusals, warnings
from adit.selective_transfer.studies import ChosenStudy, readable_name


def study(uid: str, patient_id: str = "", name: str = "", born: date | None = None) -> ChosenStudy:
    return ChosenStudy(
        source_id=1,
        source_name="PACS",
        study_instance_uid=uid,
        patient_id=patient_id,
        patient_name=name,
        birth_date=born,
    )


BASKET = Basket([study("1.1", "A"), study("1.2", "B"), study("1.3", "A")])
A, B = (patient.key for patient in BASKET.patients)


def test_studies_are_gathered_by_patient():
    assert [len(patient.studies) for patient in BASKET.patients] == [2, 1]
    assert "A" not in A


def test_pseudonym_for_each_is_fine():
    assert refusals(BASKET.patients, {A: "X", B: "Y"}, required=True) == {}


def test_nobody_is_fine_with_the_permission_only():
    assert refusals(BASKET.patients, {}, required=False) == {}
    assert refusals(BASKET.patients, {}, required=True) == {A: REQUIRED, B: REQUIRED}


def test_some_with_and_some_without_is_refused():
    assert "Some patients" in refusals(BASKET.patients, {A: "X"}, required=False)[""]


def test_one_pseudonym_for_two_patients_is_refused():
    found = refusals(BASKET.patients, {A: "same", B: "SAME"}, required=True)
    assert set(found) == {A, B}
    assert "several patients" in found[A]


def test_own_patient_id_is_no_pseudonym():
    assert "own ID" in refusals(BASKET.patients, {A: "a", B: "Y"}, required=True)[A]


@pytest.mark.parametrize(
    "pseudonym",
    [
        *("SMITH", "ＳＭＩＴＨ", "ｓｍｉｔｈ-01", "Smíth", "Sm\u200bith", "ſmith"),
        *("Ｐ４７１１", "p4711"),
        *("山田", "ヤマダ1", "ﾔﾏﾀﾞ", "JÖRG", "Jo\u0308rg", "jorg7"),
    ],
)
def test_no_way_of_writing_makes_a_pseudonym_of_the_patient(pseudonym):
    name = "Smith^Jörg=山田^太=ヤマダ^タ"
    (patient,) = Basket([study("1.1", "P4711", name)]).patients
    assert "own ID or name" in refusals([patient], {patient.key: pseudonym}, required=True).get(
        patient.key, ""
    )


@pytest.mark.parametrize("pseudonym", ["SUBJ-7", "Ｓ７", "P47", "田中", "Smit", "Jo"])
def test_what_tells_nobody_is_a_pseudonym(pseudonym):
    (patient,) = Basket([study("1.1", "P4711", "Smith^Jörg=山田^太")]).patients
    assert refusals([patient], {patient.key: pseudonym}, required=True) == {}


@pytest.mark.parametrize("other", ["SAME", "ｓａｍｅ", "sáme"])
def test_one_pseudonym_written_in_two_ways_is_refused(other):
    found = refusals(BASKET.patients, {A: "same", B: other}, required=True)
    assert "several patients" in found[A]


def test_patients_without_id_are_told_apart_by_name_and_birth_date_or_by_study():
    born = date(1970, 1, 1)
    basket = Basket(
        [
            study("1", name="Doe^Jo", born=born),
            study("2", name="Doe^Jo", born=born),
            study("3", name="Doe^Jo"),
            study("4"),
            study("5"),
        ]
    )
    assert [len(patient.studies) for patient in basket.patients] == [2, 1, 1, 1]


def test_one_person_under_two_ids_is_told():
    born = date(1970, 1, 1)
    basket = Basket([study("1", "A", "Doe^Jo", born), study("2", "B", "DOE^JO", born)])
    found = warnings(None, basket, {}, None)  # type: ignore[arg-type]
    assert len(found) == 1 and "A · Doe, Jo and B · DOE, JO" in found[0]


def test_names_are_readable():
    assert readable_name("Müller^Jörg^^Dr.") == "Müller, Jörg"
    assert readable_name("Yamada^Tarou=山田^太郎") == "Yamada, Tarou"
    assert readable_name("=山田^太郎") == "山田, 太郎"
    assert readable_name("^") == ""


def test_a_pseudonym_that_holds_the_id_or_a_part_of_the_name_is_refused():
    basket = Basket([study("1.1", "1001", "Müller^Jörg")])
    (patient,) = basket.patients
    for pseudonym in ("pat1001", "MÜLLER-2", "study jörg"):
        assert (
            "holds the patient's own"
            in refusals([patient], {patient.key: pseudonym}, required=True)[patient.key]
        ), pseudonym
    assert refusals([patient], {patient.key: "ONCO-17"}, required=True) == {}


@pytest.mark.parametrize(
    ("name", "pseudonym"),
    [
        ("Иванов^Иван", "Ivanov"),
        ("Παππάς^Νίκος", "pappas-1"),
        ("=王^明", "WANG"),
        ("Müller^Eva", "Mueller"),
        ("Łukasiewicz^Jan", "Lukasiewicz"),
        ("Li^Bo", "LiBo7"),
        ("Meier^Eva", "M-e-i-e-r"),
        ("Doe^Jo", "S-1970-01-01"),
        ("Doe^Jo", "01011970"),
        ("Doe^Jo", "123456"),
    ],
)
def test_no_script_and_no_separator_hides_the_patient(name, pseudonym):
    (patient,) = Basket([study("1.1", "12-34-56", name, date(1970, 1, 1))]).patients
    assert patient.key in refusals([patient], {patient.key: pseudonym}, required=True)


@pytest.mark.parametrize("pseudonym", ["LUNG7-004", "SUBJ-1234", "1970", "BOLI"])
def test_what_only_looks_a_little_like_the_patient_is_a_pseudonym(pseudonym):
    (patient,) = Basket([study("1.1", "7004", "Li^Bo", date(1970, 1, 1))]).patients
    assert refusals([patient], {patient.key: pseudonym}, required=True) == {}
