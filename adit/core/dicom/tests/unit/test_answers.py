"""Reading what peers answer, in every character set, and however malformed."""

import struct
from datetime import date, time

import pytest
from pydicom.dataset import Dataset

from adit.core.dicom import Query
from adit.core.dicom.attributes import (
    from_data_set,
    from_json,
    parse_date,
    parse_integer,
    parse_time,
)
from adit.core.dicom.charsets import (
    character_set_for,
    encode_text,
    encodings_of,
    is_character_set,
)
from adit.core.dicom.matching import study_matches
from adit.core.dicom.results import study_from
from adit.core.dicom.tests.samples import EXPLICIT, IMPLICIT, encode


def read(data: bytes, fallback: str = "ISO_IR 100"):
    return from_data_set(data, EXPLICIT, fallback)


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 144", "Иванов^Иван"),
        ("ISO_IR 192", "Łuczak^Żaneta=山田^太郎"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
)
def test_names_are_read_in_their_character_set(terms, name):
    data_set = Dataset()
    data_set.SpecificCharacterSet = terms
    data_set.PatientName = name
    assert read(encode(data_set, EXPLICIT)).text("PatientName") == name


def with_raw_character_set(term: bytes, name: bytes) -> bytes:
    term += b" " * (len(term) % 2)
    name += b" " * (len(name) % 2)
    return (
        b"\x08\x00\x05\x00CS" + len(term).to_bytes(2, "little") + term
        + b"\x10\x00\x10\x00PN" + len(name).to_bytes(2, "little") + name
    )  # fmt: skip


@pytest.mark.parametrize("term", [b"ISO-IR 100", b"iso_ir 100", b"ISO IR 100", b"UNHEARD OF", b""])
def test_misspelled_unknown_and_missing_sets_fall_back(term):
    answer = read(with_raw_character_set(term, "Müller^J".encode("latin-1")))
    assert answer.text("PatientName") == "Müller^J"


@pytest.mark.parametrize(
    ("term", "codec", "name"),
    [
        ("ISO_IR 203", "iso8859_15", "Šœ€^Žoë"),
        ("ISO 2022 IR 203", "iso8859_15", "Šœ€^Žoë"),
        ("ISO8859-15", "iso8859_15", "Šœ€^Žoë"),
        ("UTF-8", "utf-8", "Müller^김"),
        ("utf8", "utf-8", "Müller^김"),
        ("ISO_IR_192", "utf-8", "Müller^김"),
        ("ISO_8859-1", "latin-1", "Müller^J"),
    ],
)
def test_a_set_that_pydicom_does_not_know_is_read(term, codec, name):
    answer = read(with_raw_character_set(term.encode(), name.encode(codec)), "ISO_IR 144")
    assert answer.text("PatientName") == name


def test_a_request_is_written_in_latin_9_where_the_peer_wants_that():
    assert character_set_for(["Šœ€*"], "ISO_IR 203") == "ISO_IR 203"
    assert encode_text("Šœ€*", "ISO_IR 203") == b"\xa6\xbd\xa4*"


def test_bytes_that_do_not_fit_their_set_do_not_fail():
    answer = read(with_raw_character_set(b"ISO_IR 192", b"M\xfcller"))
    assert answer.text("PatientName") == "M\N{REPLACEMENT CHARACTER}ller"


def test_the_fallback_of_the_server_is_used():
    data = with_raw_character_set(b"", "Иванов".encode("iso8859_5"))
    assert read(data, fallback="ISO_IR 144").text("PatientName") == "Иванов"


def test_no_valid_codec_list_is_ever_empty():
    assert encodings_of(["NONSENSE"], "ALSO NONSENSE")


def test_requests_use_the_preferred_set_if_it_can_express_the_text():
    assert character_set_for(["Doe*", "1.2"], "ISO_IR 100") == ""
    assert character_set_for(["Müller*"], "ISO_IR 100") == "ISO_IR 100"
    assert character_set_for(["Иванов*"], "ISO_IR 100") == "ISO_IR 192"
    assert encode_text("Müller*", "ISO_IR 100") == b"M\xfcller*"
    assert encode_text("Müller*", "ISO_IR 192") == "Müller*".encode()


def test_implicit_answers_are_read():
    data_set = Dataset()
    data_set.StudyInstanceUID = "1.2.3"
    data_set.NumberOfStudyRelatedInstances = 12
    answer = from_data_set(encode(data_set, IMPLICIT), IMPLICIT, "ISO_IR 100")
    assert answer.uid("StudyInstanceUID") == "1.2.3"
    assert answer.integer("NumberOfStudyRelatedInstances") == 12


def test_answers_whose_elements_are_all_un_are_read():
    """Some gateways know no VR, and write UN for each (PS3.5 6.2.2)."""
    values = {0x00080005: b"ISO_IR 192", 0x00100010: "Müller^J ".encode(), 0x00280010: b"\x00\x02"}
    data = b"".join(
        struct.pack("<HH2sxxL", tag >> 16, tag & 0xFFFF, b"UN", len(value)) + value
        for tag, value in values.items()
    )
    assert read(data).text("PatientName") == "Müller^J"
    assert read(data).integer("Rows") == 512


def test_an_almost_empty_study_is_a_study():
    study = study_from(from_json({"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}))
    assert study is not None
    assert study.study_date is None
    assert study.modalities_in_study == ()


def test_an_answer_without_a_uid_is_none():
    assert study_from(from_json({"00100020": {"vr": "LO", "Value": ["P1"]}})) is None


def test_json_names_keep_their_groups():
    name = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}
    answer = from_json({"00100010": {"vr": "PN", "Value": [name]}})
    assert answer.text("PatientName") == "Yamada^Tarou=山田^太郎"


@pytest.mark.parametrize(
    "odd", [{}, {"nonsense": 1}, {"00100020": None}, {"00100020": {"vr": "LO", "Value": None}}]
)
def test_odd_json_is_an_empty_answer(odd):
    assert from_json(odd).text("PatientID") is None


def test_values_that_are_none_are_none():
    assert parse_integer("7") == 7
    assert parse_integer("7.0") == 7
    assert parse_integer("7A") is None
    assert parse_integer("1e999") is None
    assert parse_date("2024.02.29") == date(2024, 2, 29)
    assert parse_date("20240230") is None
    assert parse_date("") is None
    assert parse_time("10") == time(10)
    assert parse_time("101112.5") == time(10, 11, 12, 500000)
    assert parse_time("10:11:12") == time(10, 11, 12)
    assert parse_time("235960") == time(23, 59, 59)
    assert parse_time("nonsense") is None


def test_an_answer_that_is_cut_gives_what_is_there():
    data_set = Dataset()
    data_set.PatientID = "P1"
    data_set.StudyInstanceUID = "1.2.3"
    answer = read(encode(data_set, EXPLICIT)[:-3])
    assert answer.text("PatientID") == "P1"
    assert answer.uid("StudyInstanceUID") == ""


@pytest.mark.parametrize(
    ("value", "name"),
    [
        # PS3.5 K.2.
        (
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
            "Zhang^XiaoDong=张^小东=",
        ),
        (b"Wang^XiaoDong=\x1b$)A\xcd\xf5^\x1b$)A\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"),
    ],
)
def test_a_simplified_chinese_name_holds_no_escapes_and_is_found(value, name):
    terms = b"\\ISO 2022 IR 58 "
    value += b" " * (len(value) % 2)
    data = struct.pack("<HH2sH", 8, 5, b"CS", len(terms)) + terms
    data += struct.pack("<HH2sH", 0x10, 0x10, b"PN", len(value)) + value
    data += struct.pack("<HH2sH", 0x20, 0xD, b"UI", 4) + b"1.2\0"
    study = study_from(read(data))
    assert study is not None and study.patient_name == name
    assert study_matches(Query(patient_name=f"{name.partition('=')[2][0]}*"), study)


@pytest.mark.parametrize(
    ("text", "preferred", "used"),
    [
        ("山田*", "ISO_IR 13", "ISO_IR 192"),
        ("Yamada^山田", "ISO 2022 IR 13", "ISO_IR 192"),
        ("¥*", "ISO_IR 13", "ISO_IR 192"),
        ("ﾔﾏﾀﾞ*", "ISO_IR 13", "ISO_IR 13"),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ", "ISO_IR 13", "ISO_IR 13"),
        ("山田*", "ISO 2022 IR 87", "ISO 2022 IR 87"),
    ],
)
def test_what_a_japanese_set_lacks_is_not_sent_as_question_marks(text, preferred, used):
    chosen = character_set_for([text, "1.2"], preferred)
    assert chosen == used
    encoded = encode_text(text, chosen)
    assert b"?" not in encoded
    codec = {"ISO_IR 13": "shift_jis", "ISO 2022 IR 87": "iso2022_jp"}.get(chosen, "utf-8")
    assert encoded.decode(codec) == text


@pytest.mark.parametrize("term", ["ISO_IR 100", "iso-ir 192", "GB18030", "ISO 2022 IR 87"])
def test_a_defined_term_and_its_misspellings_are_known(term):
    assert is_character_set(term)


@pytest.mark.parametrize("term", ["FOO", "", " ", "ISO_IR 999", "ISO_IR 100\\ISO 2022 IR 87"])
def test_what_is_no_defined_term_is_not_known(term):
    assert not is_character_set(term)
