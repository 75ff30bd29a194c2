"""C-FIND: what an archive answers to an identifier (PS3.4 C.4.1)."""

import copy
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.datadict import keyword_for_tag

from .archive import Archive, ArchivedInstance
from .faults import Faults
from .matching import matches, values_of

UNIQUE_KEYS = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
_CONTROL = {
    "QueryRetrieveLevel",
    "SpecificCharacterSet",
    "QueryRetrieveView",
    "TimezoneOffsetFromUTC",
}

_COMPUTED = {
    "ModalitiesInStudy",
    "SOPClassesInStudy",
    "NumberOfStudyRelatedInstances",
    "NumberOfStudyRelatedSeries",
    "NumberOfSeriesRelatedInstances",
    "NumberOfPatientRelatedStudies",
    "NumberOfPatientRelatedSeries",
    "NumberOfPatientRelatedInstances",
}


class InvalidIdentifier(Exception):
    """The identifier does not match the SOP class (A900)."""


def find(archive: Archive, identifier: Dataset, faults: Faults) -> Iterator[Dataset]:
    """Answer a query at the level that the identifier names.

    Raises:
        InvalidIdentifier: The level is missing or unknown.
    """
    level = level_of(identifier)
    if level in faults.refused_levels:
        raise InvalidIdentifier(f"the level {level} is not supported")
    if level in faults.silent_levels:
        return
    keys = [
        element
        for element in identifier
        if element.keyword not in _CONTROL and element.tag.element != 0
    ]
    ignored = {*faults.ignored_keys}
    if faults.no_patient_below_study and level in ("SERIES", "IMAGE"):
        ignored.add("PatientID")
    matching = [key for key in keys if key.keyword not in ignored]
    if faults.answer_for_patient and level != "PATIENT":
        other = DataElement("PatientID", "LO", faults.answer_for_patient)
        dropped = ("PatientID", "PatientName", *UNIQUE_KEYS.values())
        matching = [other, *(key for key in matching if key.keyword not in dropped)]
    answer: Dataset | None = None
    for entity in _entities(archive, level):
        values = _EntityValues(entity)
        if all(matches(key, values.texts(key)) for key in matching):
            nameless = answer is None and level in faults.nameless_levels
            answer = _response(level, keys, values, faults, ignored)
            if nameless:
                del answer[UNIQUE_KEYS[level]]
            yield answer
    if faults.empty_series and level == "SERIES" and answer is not None:
        yield _without_instances(answer)


def level_of(identifier: Dataset) -> str:
    """The query or retrieve level.

    Raises:
        InvalidIdentifier: The level is missing or unknown.
    """
    level = str(identifier.get("QueryRetrieveLevel", "")).strip()
    if level not in UNIQUE_KEYS:
        raise InvalidIdentifier(f"no such level: {level!r}")
    return level


def select(archive: Archive, identifier: Dataset) -> list[ArchivedInstance]:
    """The instances that a C-GET or C-MOVE identifier names (PS3.4 C.4.2.1.4).

    Raises:
        InvalidIdentifier: The level is missing, or its unique key is.
    """
    level = level_of(identifier)
    levels = list(UNIQUE_KEYS)
    wanted: dict[str, set[str]] = {}
    for name in levels[: levels.index(level) + 1]:
        keyword = UNIQUE_KEYS[name]
        values = set(values_of(identifier[keyword])) if keyword in identifier else set()
        if values:
            wanted[keyword] = values
        elif name == level:
            raise InvalidIdentifier(f"{keyword} is empty")
    return [
        instance
        for instance in archive
        if all(str(instance.attributes.get(key, "")) in values for key, values in wanted.items())
    ]


def _entities(archive: Archive, level: str) -> Iterable[list[ArchivedInstance]]:
    entities: dict[tuple[str, str], list[ArchivedInstance]] = {}
    for instance in archive:
        # One study under two patients is two studies to a PACS, with series of their own.
        patient = instance.patient_id
        unique = str(instance.attributes.get(UNIQUE_KEYS[level], "") or "")
        entities.setdefault((patient, unique), []).append(instance)
    return entities.values()


def _without_instances(series: Dataset) -> Dataset:
    """An answer for another series of the same study that holds nothing."""
    empty = copy.deepcopy(series)
    empty.SeriesInstanceUID = f"{series.SeriesInstanceUID[:60]}.0"
    empty.NumberOfSeriesRelatedInstances = 0
    return empty


class _EntityValues:
    """The attributes of one patient, study, series or instance."""

    def __init__(self, instances: list[ArchivedInstance]) -> None:
        self.instances = instances
        self.first = instances[0].attributes

    def texts(self, key: DataElement) -> list[str]:
        if key.keyword in _COMPUTED:
            value = self.computed(key.keyword)
            return [str(item) for item in value] if isinstance(value, list) else [str(value)]
        return values_of(self.first[key.tag]) if key.tag in self.first else []

    def computed(self, keyword: str) -> Any:
        if keyword == "ModalitiesInStudy":
            return sorted(self._distinct("Modality"))
        if keyword == "SOPClassesInStudy":
            return sorted(self._distinct("SOPClassUID"))
        if keyword.endswith("Instances"):
            return len(self.instances)
        if keyword.endswith("Series"):
            return len(self._distinct("SeriesInstanceUID"))
        return len(self._distinct("StudyInstanceUID"))

    def _distinct(self, keyword: str) -> set[str]:
        return {str(item.attributes.get(keyword, "")) for item in self.instances} - {""}


def _response(
    level: str,
    keys: list[DataElement],
    values: _EntityValues,
    faults: Faults,
    ignored: Collection[str],
) -> Dataset:
    ds = Dataset()
    if "SpecificCharacterSet" in values.first:
        ds.SpecificCharacterSet = values.first.SpecificCharacterSet
    ds.QueryRetrieveLevel = level
    for key in keys:
        if key.keyword in ignored:
            continue
        if key.keyword in _COMPUTED:
            setattr(ds, key.keyword, values.computed(key.keyword))
        elif key.tag in values.first:
            ds[key.tag] = values.first[key.tag]
        elif keyword_for_tag(key.tag):
            ds[key.tag] = DataElement(key.tag, key.VR, [] if key.VR == "SQ" else None)
    if faults.pad_uids:
        _pad(ds, "\0\0" if faults.pad_uids == "nul" else "  ")
    return ds


def _pad(ds: Dataset, padding: str) -> None:
    """Pad the UIDs. The values are set past pydicom's UID type, which would strip them."""
    for element in list(ds):
        if element.VR == "UI" and element.value and isinstance(element.value, str):
            padded = DataElement(element.tag, "UI", "")
            padded._value = str(element.value) + padding
            ds[element.tag] = padded
