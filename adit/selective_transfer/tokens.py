"""Signed tokens: what the server found, carried by the browser and believed when it comes back.

A token holds what a source answered, for whom, and when. Who has it cannot change it, cannot use
that of another user, and cannot use it for long.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, time
from typing import Any

from django.core import signing

from adit.selective_transfer.studies import ChosenSeries, ChosenStudy

MAX_AGE_SECONDS = 2 * 60 * 60
_STUDY_SALT = "selective_transfer.study"
_SERIES_SALT = "selective_transfer.series"


class BadToken(Exception):
    """The token is not ours, not this user's, or too old; the message says so in words."""


def sign_study(user_id: int, study: ChosenStudy) -> str:
    data = asdict(study)
    del data["chosen_series"]
    for name in ("birth_date", "study_date", "study_time"):
        data[name] = data[name] and data[name].isoformat()
    return _sign(user_id, data, _STUDY_SALT)


def sign_series(user_id: int, series: ChosenSeries) -> str:
    return _sign(user_id, asdict(series), _SERIES_SALT)


def read_study(user_id: int, token: str) -> ChosenStudy:
    """The study of a token of this user.

    Raises:
        BadToken: it cannot be believed.
    """
    data = _read(user_id, token, _STUDY_SALT)
    for name, kind in (("birth_date", date), ("study_date", date), ("study_time", time)):
        data[name] = kind.fromisoformat(data[name]) if data[name] else None
    data["modalities"] = tuple(data["modalities"])
    return ChosenStudy(**data)


def read_series(user_id: int, token: str) -> ChosenSeries:
    """The series of a token of this user.

    Raises:
        BadToken: it cannot be believed.
    """
    return ChosenSeries(**_read(user_id, token, _SERIES_SALT))


def _sign(user_id: int, data: dict[str, Any], salt: str) -> str:
    return signing.dumps([user_id, data], salt=salt, compress=True)


def _read(user_id: int, token: str, salt: str) -> dict[str, Any]:
    try:
        owner, data = signing.loads(token, salt=salt, max_age=MAX_AGE_SECONDS)
    except signing.SignatureExpired as err:
        raise BadToken("It was found too long ago: search for it again.") from err
    except (signing.BadSignature, ValueError) as err:
        raise BadToken("It did not come from a search: search for it again.") from err
    if owner != user_id:
        raise BadToken("Another user searched for it: search for it again.")
    return data
