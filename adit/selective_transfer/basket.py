"""The basket: the studies that a user has ticked, and whom they are of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from adit.selective_transfer.studies import ChosenSeries, ChosenStudy
from adit.selective_transfer.tokens import BadToken, read_series, read_study


@dataclass(frozen=True)
class Patient:
    """A patient of the basket, and the pseudonym that the user gives him."""

    key: str
    studies: tuple[ChosenStudy, ...]

    @property
    def patient_id(self) -> str:
        return self.studies[0].patient_id

    @property
    def name(self) -> str:
        return self.studies[0].readable_name

    @property
    def words(self) -> str:
        """How the page calls the patient."""
        return " · ".join(filter(None, (self.patient_id, self.name))) or "patient without an ID"


@dataclass(frozen=True)
class BasketToken:
    """A token as the page posts it: its field, the key of the study, the UID of a series."""

    name: str
    value: str
    key: str
    series_uid: str = ""


@dataclass(frozen=True)
class Total:
    """A sum; `at_least` where some source did not tell its part."""

    number: int
    at_least: bool

    def __str__(self) -> str:
        return f"at least {self.number}" if self.at_least else str(self.number)


class Basket:
    """Studies in the order in which they were ticked, each once."""

    def __init__(
        self,
        studies: Iterable[ChosenStudy],
        refused: Sequence[str] = (),
        tokens: Sequence[BasketToken] = (),
    ) -> None:
        self.studies = list({study.key: study for study in studies}.values())
        # Why some of what the browser sent is not in the basket, in words.
        self.refused = list(refused)
        # What the page has to post again.
        held = {study.key for study in self.studies}
        self.tokens = [token for token in tokens if token.key in held]

    def __len__(self) -> int:
        return len(self.studies)

    @cached_property
    def patients(self) -> list[Patient]:
        found: dict[str, list[ChosenStudy]] = {}
        for study in self.studies:
            found.setdefault(study.patient_key, []).append(study)
        return [Patient(key, tuple(studies)) for key, studies in found.items()]

    @property
    def series(self) -> Total:
        return _total(study.series_to_move for study in self.studies)

    @property
    def instances(self) -> Total:
        return _total(study.instances_to_move for study in self.studies)


def read_basket(user_id: int, study_tokens: Iterable[str], series_tokens: Iterable[str]) -> Basket:
    """The basket of the tokens that are this user's; what cannot be believed is left out and
    told. A study without series of its own is meant as a whole."""
    refused: dict[str, None] = {}
    series: dict[str, list[ChosenSeries]] = {}
    spoiled: set[str] = set()
    tokens: list[BasketToken] = []
    broken_series = False
    for token in series_tokens:
        try:
            one = read_series(user_id, token)
        except BadToken as err:
            # Of which study it was nobody knows: without it a study would go as a whole.
            broken_series = True
            refused[f"A series was taken out of the basket. {err}"] = None
            continue
        series.setdefault(one.study_key, []).append(one)
        tokens.append(BasketToken("series", token, one.study_key, one.series_instance_uid))
    studies = []
    for token in study_tokens:
        try:
            study = read_study(user_id, token)
        except BadToken as err:
            refused[f"A study was taken out of the basket. {err}"] = None
            continue
        if study.key in series:
            unique = {one.series_instance_uid: one for one in series[study.key]}
            study = replace(study, chosen_series=tuple(unique.values()))
        elif broken_series:
            spoiled.add(study.key)
        studies.append(study)
        tokens.append(BasketToken("study", token, study.key))
    if spoiled:
        refused["Tick the series of these studies again, or the studies as a whole."] = None
    return Basket((s for s in studies if s.key not in spoiled), list(refused), tokens)


def _total(numbers: Iterable[int | None]) -> Total:
    known = list(numbers)
    return Total(sum(n for n in known if n is not None), None in known)
