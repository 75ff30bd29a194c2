"""Values that no database takes: control characters, numbers beyond an IS, endless nesting."""

import json

import pytest
from pydicom.dataset import Dataset

from adit.core.dicom import read_identifiers
from adit.core.dicom.attributes import from_data_set, from_json, parse_integer
from adit.core.dicom.results import instance_from, patient_from, series_from, study_from
from adit.core.dicom.tests.samples import EXPLICIT, encode
from adit.core.dicom.texts import one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Müller^Jörg=山田^太郎", "Müller^Jörg=山田^太郎"),
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        ("a\x1b\x7f\x85b", "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} b"),
        ("Head\r\nwith contrast\t2\n", "Head with contrast 2"),
        ("one\u2028two\N{NO-BREAK SPACE}three", "one two\N{NO-BREAK SPACE}three"),
        (" \0padded\0 \0", "padded"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_a_text_becomes_one_line(text, line):
    assert one_line(text) == line


def texts_of(result):
    return [
        text
        for name in result.__slots__
        for value in [getattr(result, name)]
        for text in (value if isinstance(value, tuple) else [value])
        if isinstance(text, str)
    ]


def read_both(make, **values):
    """The result of an answer by C-FIND, and that of the same by QIDO-RS."""
    data_set = Dataset()
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    model = json.loads(data_set.to_json())
    data = encode(data_set, EXPLICIT)
    return [make(from_data_set(data, EXPLICIT, "ISO_IR 100")), make(from_json(model))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "values"),
    [
        (patient_from, {"PatientID": "P\0001", "PatientName": "Do\0e^J"}),
        (
            study_from,
            {
                "StudyInstanceUID": "1.2.3",
                "StudyDescription": "a\0b\nc",
                "AccessionNumber": "A\0B",
                "StudyID": "\x01x",
                "PatientSex": "M\0M",
                "ModalitiesInStudy": ["C\0T", "MR"],
            },
        ),
        (
            series_from,
            {
                "SeriesInstanceUID": "1.2",
                "SeriesDescription": "a\0b",
                "Modality": "C\0T",
                "BodyPartExamined": "HE\0AD",
            },
        ),
    ],
)
def test_no_result_holds_a_control_character(make, values):
    for result in read_both(make, **values):
        assert result is not None
        texts = texts_of(result)
        assert len(texts) >= len(values)
        assert all(text.isprintable() for text in texts), texts


def test_a_control_character_does_not_turn_one_identifier_into_another():
    found = study_from(
        from_json(
            {
                "0020000D": {"vr": "UI", "Value": ["1.2\0.3"]},
                "00100020": {"vr": "LO", "Value": ["P\x001"]},
            }
        )
    )
    assert found is not None
    assert (found.study_instance_uid, found.patient_id) == (
        "1.2\N{REPLACEMENT CHARACTER}.3",
        "P\N{REPLACEMENT CHARACTER}1",
    )


def test_a_patient_id_in_a_header_reads_as_in_an_answer():
    data_set = Dataset()
    data_set.PatientID = "P\0001"
    data_set.StudyInstanceUID = data_set.SeriesInstanceUID = "1.2"
    data = encode(data_set, EXPLICIT)
    answer = from_data_set(data, EXPLICIT, "ISO_IR 100").text("PatientID")
    assert read_identifiers(data, EXPLICIT).patient_id == answer


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2147483647", 2147483647),
        ("-2147483648", -2147483648),
        ("2147483648", None),
        ("99999999999", None),
        ("1e18", None),
        ("1e400", None),
        ("9" * 5000, None),
        ("12.0", 12),
    ],
)
def test_a_number_that_no_is_can_hold_is_none(text, number):
    assert parse_integer(text) == number


@pytest.mark.parametrize(("value", "count"), [(7, 7), (0, 0), (-5, None), (10**18, None)])
def test_a_count_is_never_negative_nor_endless(value, count):
    element = {"vr": "IS", "Value": [value]}
    study = study_from(
        from_json(
            {
                "0020000D": {"vr": "UI", "Value": ["1.2"]},
                "00201206": element,
                "00201208": element,
            }
        )
    )
    series = series_from(
        from_json({"0020000E": {"vr": "UI", "Value": ["1.2"]}, "00201209": element})
    )
    instance = instance_from(
        from_json({"00080018": {"vr": "UI", "Value": ["1.2"]}, "00280008": element})
    )
    patient = patient_from(
        from_json({"00100020": {"vr": "LO", "Value": ["P"]}, "00201200": element})
    )
    assert study and series and instance and patient
    found = {
        study.number_of_series,
        study.number_of_instances,
        series.number_of_instances,
        instance.number_of_frames,
        patient.number_of_studies,
    }
    assert found == {count}


@pytest.mark.parametrize(("make", "tag"), [(study_from, "0020000D"), (series_from, "0020000E")])
def test_what_is_too_long_for_a_uid_names_nothing(make, tag):
    assert make(from_json({tag: {"vr": "UI", "Value": ["1." + "2" * 62]}})) is not None
    assert make(from_json({tag: {"vr": "UI", "Value": ["1." + "2" * 63]}})) is None


@pytest.mark.parametrize("depth", [1, 300, 900])
def test_a_person_name_of_nested_objects_is_empty(depth):
    value: object = "x"
    for _ in range(depth):
        value = {"Alphabetic": value}
    answer = from_json({"00100010": {"vr": "PN", "Value": [value]}})
    assert answer.text("PatientName") == ("x" if depth == 1 else None)
