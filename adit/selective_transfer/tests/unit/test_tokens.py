"""Tokens are believed only when they are ours, the user's own and fresh."""

from datetime import date, time

import pytest
from django.core import signing

from adit.selective_transfer import tokens
from adit.selective_transfer.basket import read_basket
from adit.selective_transfer.studies import ChosenSeries, ChosenStudy
from adit.selective_transfer.tokens import (
    BadToken,
    read_series,
    read_study,
    sign_series,
    sign_study,
)

STUDY = ChosenStudy(
    source_id=3,
    source_name="PACS",
    study_instance_uid="1.2.3",
    patient_id="1001",
    patient_name="Müller^Jörg",
    birth_date=date(1958, 3, 14),
    study_date=date(2023, 5, 4),
    study_time=time(8, 15, 30, 250000),
    modalities=("CT", "SR"),
    series=2,
    instances=30,
)
SERIES = ChosenSeries(
    source_id=3, study_instance_uid="1.2.3", series_instance_uid="1.2.3.1", instances=10
)
BARE = ChosenStudy(source_id=3, source_name="PACS", study_instance_uid="1.2.4")


@pytest.mark.parametrize("study", [STUDY, BARE])
def test_study_comes_back_as_it_was(study):
    assert read_study(7, sign_study(7, study)) == study


def test_series_comes_back_as_it_was():
    assert read_series(7, sign_series(7, SERIES)) == SERIES


def test_token_of_another_user_is_refused():
    with pytest.raises(BadToken, match="Another user"):
        read_study(8, sign_study(7, STUDY))


def test_old_token_is_refused(monkeypatch):
    token = sign_study(7, STUDY)
    monkeypatch.setattr(tokens, "MAX_AGE_SECONDS", -1)
    with pytest.raises(BadToken, match="too long ago"):
        read_study(7, token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        sign_study(7, STUDY)[:-2] + "xx",
        sign_series(7, SERIES),
        signing.dumps([7, {"source_id": 3}], salt="another purpose"),
    ],
)
def test_forged_token_is_refused(token):
    with pytest.raises(BadToken, match="did not come from a search"):
        read_study(7, token)


def test_basket_keeps_what_can_be_believed_and_tells_of_the_rest():
    basket = read_basket(
        7, [sign_study(7, STUDY), "forged", sign_study(7, BARE)], [sign_series(7, SERIES)]
    )
    assert [study.study_instance_uid for study in basket.studies] == ["1.2.3", "1.2.4"]
    assert basket.studies[0].chosen_series == (SERIES,)
    assert [token.name for token in basket.tokens] == ["series", "study", "study"]
    assert len(basket.refused) == 1 and "study was taken out" in basket.refused[0]


def test_study_does_not_go_as_a_whole_because_its_series_token_is_bad():
    basket = read_basket(7, [sign_study(7, STUDY)], [sign_series(8, SERIES)])
    assert not basket.studies
    assert len(basket.refused) == 2


def test_totals_say_when_a_source_did_not_tell():
    basket = read_basket(7, [sign_study(7, STUDY), sign_study(7, BARE)], [sign_series(7, SERIES)])
    assert str(basket.series) == "at least 1"
    assert str(basket.instances) == "at least 10"
    assert str(read_basket(7, [sign_study(7, STUDY)], []).instances) == "30"
