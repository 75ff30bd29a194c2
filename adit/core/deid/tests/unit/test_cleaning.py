"""The cleaner finds what it has to, in every script and notation, and leaves the rest."""

from __future__ import annotations

from datetime import date

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from adit.core.deid import Option
from adit.core.deid.cleaning import Cleaner
from adit.core.deid.tests.objects import (
    ct_header,
    decode,
    encode,
    process,
    process_dataset,
    profile,
)

BIRTH_DATES = """
May 3rd, 1970; 3rd of May 1970; 1970, May 3; 3. Mai 1970; 1970年5月3日; 03,05,1970; 03|05|1970
03–05–1970; 03\u00a005\u00a01970; 3 mai 1970; 3 de mayo de 1970; 3 мая 1970; 1970년 5월 3일; 700503
030570; 03May1970; 昭和45年5月3日; 3 พฤษภาคม 2513; １９７０/０５/０３; MAY 03 1970; 3.5.70
1970_05_03; S45.5.3
"""
OTHER_DATES = """
12.03.1999; March 12th, 1999; 12. März; Mai 1999; 1999-03; 03/1999; 1999年3月; 12|03|99
"""


def split(text: str) -> list[str]:
    return [part.strip() for line in text.splitlines() for part in line.split(";") if part.strip()]


def cleaner(**known: object) -> Cleaner:
    settings = {"names": [], "identifiers": [], "birth_date": None}
    return Cleaner(**{**settings, **known})  # type: ignore[arg-type]


@pytest.mark.parametrize("descriptor", [True, False], ids=["descriptor", "other text"])
@pytest.mark.parametrize("written", split(BIRTH_DATES))
def test_a_birth_date_goes_in_every_notation(written: str, descriptor: bool):
    knowing = cleaner(birth_date=date(1970, 5, 3))

    assert knowing.clean(f"Thorax {written} nativ", descriptor) == "Thorax nativ"


@pytest.mark.parametrize("written", split(OTHER_DATES))
def test_whatever_looks_like_a_date_goes_from_descriptors(written: str):
    assert cleaner().clean(f"Thorax {written} nativ", True) == "Thorax nativ"
    assert cleaner().clean(f"Thorax {written} nativ", False) == f"Thorax {written} nativ"


@pytest.mark.parametrize(
    "text",
    [
        "t2_tse_sag_320 5mm",
        "T1 3D FFE TE 20 ms TR 500",
        "Mar 3D 2019",
        "DWI b0 b50 b400",
        "2 of 3",
        "2019",
        "1.5 mm B30f",
        "MR Schulter rechts",
        "set 3",
        "dec 2",
    ],
)
def test_what_is_no_identifier_stays(text: str):
    knowing = cleaner(
        names=["Bauer^Eva"],
        identifiers=["4711-22"],
        birth_date=date(1970, 5, 3),
        addresses=["Main Street 5^^Hamburg"],
    )

    assert knowing.clean(text, True) is text


ADDRESS = "Hauptstraße 12^^Schöneberg^^69120^DE"
LINES = "12 High Street, Ambridge AB1 2CD\r\nWaldweg 3\r\n10115 Neustadt"


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (ADDRESS, "Hauptstraße 12"),
        (ADDRESS, "HAUPTSTRASSE 12"),
        (ADDRESS, "Hauptstr. 12"),
        (ADDRESS, "Haupt-Straße"),
        (ADDRESS, "Hauptstraße".replace("ß", "ss")),
        (ADDRESS, "Scho\u0308neberg"),
        (ADDRESS, "Schoeneberg"),
        (ADDRESS, "SCHONEBERG"),
        (ADDRESS, "D-69120"),
        (LINES, "High St"),
        (LINES, "Ambridge"),
        (LINES, "AB12CD"),
        (LINES, "Waldweg"),
        (LINES, "10115"),
        (LINES, "neustadt"),
        ("東京都港区芝公園4-2-8", "港区"),
        ("Königsallee 7, 40212 Düsseldorf", "Duesseldorf"),
    ],
)
def test_the_parts_of_an_address_go_one_by_one(address: str, text: str):
    left = cleaner(addresses=[address]).clean(f"Knie {text} nativ", False)

    assert left.replace("D-", "").replace(".", "").split() == ["Knie", "nativ"]


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("สมชาย^ใจดี", "ตรวจสมชายปอด", "ตรวจปอด"),
        ("शर्मा^राम", "छाती शर्मा नया", "छाती नया"),
        ("Mu\u0308ller^Eva", "Knie MÜLLER", "Knie"),
        ("Müller^Eva", "Knie Mu\u0308ller", "Knie"),
        ("Müller^Eva", "Knie MÃ¼ller", "Knie"),
        ("Müller^Eva", "Knie M u e l l e r", "Knie"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部 ﾔﾏﾀﾞ 山田太郎", "胸部"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "Knie 홍길동", "Knie"),
        ("Li^Wu", "Knie Wu Li", "Knie"),
        ("O'Brien^Pat", "Knie O’Brien", "Knie"),
        ("מַלְכָּה^שרה", "Knie מלכה", "Knie"),
    ],
)
def test_a_name_goes_in_every_script_and_spelling(name: str, text: str, left: str):
    assert cleaner(names=[name]).clean(text, False) == left


@pytest.mark.parametrize(
    "text", ["PID|4711-A", "PID\t4711 A", "PID\u00a04711A", "pid.4711.a", "P I D 4 7 1 1 A"]
)
def test_an_id_goes_with_whatever_stands_between_its_parts(text: str):
    assert cleaner(identifiers=["PID-4711-A"]).clean(f"Knie {text}", False) == "Knie"


def test_values_of_an_element_stay_apart():
    knowing = cleaner(identifiers=["PID-4711"])

    assert knowing.clean("Knie PID-4711\\Thorax", False) == "Knie\\Thorax"
    assert knowing.clean("PID\\4711", False) == "PID\\4711"


ORDERS = {
    "ServiceEpisodeID": "EPI77812",
    "PlacerOrderNumberImagingServiceRequest": "PLC77812",
    "FillerOrderNumberImagingServiceRequest": "FIL77812",
    "StudyID": "STU77812",
    "PatientTelecomInformation": "mailto:erika.m@example.org",
    "AccessionNumber": "ACC77812",
}


@pytest.mark.parametrize("keyword", ORDERS)
def test_ids_of_orders_are_cleaned_out_of_text(keyword: str):
    value = ORDERS[keyword]
    dataset = ct_header(
        **{keyword: value, "Manufacturer": f"Maker {value.removeprefix('mailto:')}"}
    )

    after, _ = process_dataset(dataset)

    assert after.Manufacturer == "Maker"


@pytest.mark.parametrize("keyword", ["RequestedProcedureID", "ScheduledProcedureStepID"])
def test_ids_in_sequences_are_cleaned_out_of_text(keyword: str):
    item = Dataset()
    setattr(item, keyword, "STEP77812")
    dataset = ct_header(RequestAttributesSequence=Sequence([item]), Manufacturer="Maker STEP77812")

    after, _ = process_dataset(dataset)

    assert after.Manufacturer == "Maker"


def test_short_numbers_of_orders_say_nothing():
    dataset = ct_header(
        StudyID="1", SoftwareVersions="1", PerformedProcedureStepID="CT", Manufacturer="CT 1"
    )

    after, _ = process_dataset(dataset)

    assert after.Manufacturer == "CT 1"


@pytest.mark.parametrize("vr", ["OB", "UN"])
@pytest.mark.parametrize(
    "raw",
    [
        b"PID-9911",
        b"PID\x07-9911\0",
        b"P\0I\0D\0-\x009\x009\x001\x001\0",
        b"\0P\0I\0D\0-\x009\x009\x001\x001",
        b"\xff\xfeP\0I\0D\0-\x009\x009\x001\x001\0",
    ],
    ids=["text", "control characters", "UTF-16", "UTF-16 big endian", "UTF-16 with a mark"],
)
def test_an_id_in_a_vr_of_bytes_is_learnt(vr: str, raw: bytes):
    dataset = ct_header(Manufacturer="Maker PID-9911")
    del dataset.PatientID
    dataset.add_new(0x00100020, vr, raw)

    after, _ = process_dataset(dataset)

    assert after.Manufacturer == "Maker"
    assert after.PatientID == "SUBJ-7"


def test_a_name_that_stands_in_a_sequence_is_cleaned_out_of_text():
    observer = Dataset()
    observer.VerifyingObserverName = "Zwingenberg^Adele"
    dataset = ct_header(
        VerifyingObserverSequence=Sequence([observer]), Manufacturer="Maker Zwingenberg"
    )

    after, _ = process_dataset(dataset)

    assert after.Manufacturer == "Maker"


def test_the_institution_goes_from_descriptors_unless_it_is_retained():
    dataset = ct_header(
        InstitutionName="Klinikum Musterstadt", StudyDescription="CT Klinikum Musterstadt"
    )
    retained = profile(Option.CLEAN_DESCRIPTORS, Option.RETAIN_INSTITUTION_IDENTITY)

    gone, _ = process_dataset(dataset, under=profile(Option.CLEAN_DESCRIPTORS))
    stays, _ = process_dataset(dataset, under=retained)

    assert gone.StudyDescription == "CT"
    assert stays.StudyDescription == "CT Klinikum Musterstadt"


@pytest.mark.parametrize(
    ("institution", "text", "left"),
    [
        ("Charité Universitätsmedizin Berlin", "MR CHARITE Kopf", "MR Kopf"),
        ("Charité Universitätsmedizin Berlin", "Charité_Knie berlin", "Knie"),
        (
            "Charité Universitätsmedizin Berlin",
            "Universitätsmedizin Kopf",
            "Universitätsmedizin Kopf",
        ),
        ("Mayo Clinic", "Mayo Head Clinic", "Head Clinic"),
        ("Chest Center Abdomen", "Chest Abdomen", "Chest Abdomen"),
        ("Kinderklinik Kopf und Knie", "CT Kopf Knie", "CT Kopf Knie"),
        ("Universitätsklinikum Köln", "Koeln Thorax KOLN", "Thorax"),
        ("St. Marien Hospital", "Marien Thorax Marienkirche", "Thorax Marienkirche"),
        ("MRT Praxis Dr. Waldtraut", "MRT waldtraut Hals", "MRT Hals"),
        ("East Side General Hospital", "T1 east side general", "T1 east side general"),
    ],
)
def test_words_that_tell_the_institution_go_one_by_one(institution: str, text: str, left: str):
    assert cleaner(institutions=[institution]).clean(text, True) == left
    assert cleaner(institutions=[institution]).clean(text, False) == text


def test_thai_text_in_its_own_character_set_is_cleaned():
    dataset = ct_header(
        SpecificCharacterSet="ISO_IR 166", PatientName="สมชาย^ใจดี", StudyDescription="ตรวจสมชายปอด"
    )

    data, result = process(encode(dataset), under=profile(Option.CLEAN_DESCRIPTORS))

    assert decode(data).StudyDescription == "ตรวจปอด"
    assert result.findings == []
