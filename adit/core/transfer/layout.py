"""The names of folders below a job: the same in a folder and inside an archive.

`<pseudonym or patient id>/<StudyDate>-<StudyTime>-<modalities>/<SeriesNumber>-<SeriesDescription>/`
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

from adit.core.transfer.names import safe_name

_SUFFIX = 8


@dataclass(frozen=True, kw_only=True)
class SeriesFacts:
    """What names the folder of a series, as the instances that leave say.

    Attributes:
        number: Series Number (0020,0011); "" where there is none.
        study_date, study_time: as in the header, "" where there is none.
    """

    series_uid: str
    study_uid: str = ""
    number: str = ""
    description: str = ""
    study_date: str = ""
    study_time: str = ""


def job_name(kind: str, job_id: int, day: date, username: str) -> str:
    """`adit_<app>_<job id>_<YYYYMMDD>_<user>`."""
    return safe_name(f"adit_{kind}_{job_id}_{day:%Y%m%d}_{username}")


def study_name(study_date: str, study_time: str, modalities: Collection[str]) -> str:
    """`<StudyDate>-<StudyTime>-<modalities, sorted>`, without fractions of a second."""
    parts = [
        study_date or "nodate",
        study_time.split(".")[0] or "notime",
        *sorted({modality for modality in modalities if modality}),
    ]
    return safe_name("-".join(parts))


def study_names(name: str, study_uid: str) -> Iterator[str]:
    """The names that a study may get, in the order in which they are to be tried."""
    yield name
    suffixed = f"{name}-{safe_name(study_uid[-_SUFFIX:])}"
    yield suffixed
    for number in itertools.count(2):
        yield f"{suffixed}-{number}"


def series_names(series: Collection[SeriesFacts]) -> dict[str, str]:
    """The folder name of each series of a study, by its UID.

    A UID suffix is added only where two series would share a folder, on file systems that do not
    tell capitals from small letters too. The names do not depend on the order of the series.
    """
    names = {facts.series_uid: _series_name(facts) for facts in series}
    for suffix in (-_SUFFIX, 0):
        times = Counter(name.casefold() for name in names.values())
        for facts in series:
            uid = facts.series_uid
            if times[names[uid].casefold()] > 1:
                names[uid] = f"{_series_name(facts)}-{safe_name(uid[suffix:])}"
    return names


def _series_name(facts: SeriesFacts) -> str:
    return safe_name("-".join(filter(None, (facts.number or "none", facts.description.strip()))))
