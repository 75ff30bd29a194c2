"""The leak gate finds identifiers in odd spellings, notations, encodings and places."""

from __future__ import annotations

import random
import struct
import unicodedata
from collections.abc import Iterator

import pytest

from adit.core.deid import FindingKind
from adit.core.deid.codec import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Encoding,
    encode_element,
)
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.leak_rules import OutgoingRules

NUMBER = 12345678
UID = "1.2.276.0.7230010.3.1.3.55"
TEXT, PRIVATE = (0x0008103E, b"LO"), (0x00091010, b"UN")
BYTE_PLACES = [
    PRIVATE,
    (0x00420011, b"OB"),
    (0x00283006, b"OW"),
    (0x00189087, b"FD"),
    (0x00091011, b"US"),
]
COUNTED_PLACES = {
    b"DS": 0x00280030,
    b"IS": 0x00200012,
    b"DA": 0x00080020,
    b"TM": 0x00080030,
    b"DT": 0x0008002A,
    b"AS": 0x00101010,
}
SOURCE = {
    0x00080005: (b"CS", "ISO_IR 192"),
    0x00080018: (b"UI", "1.2.840.10008.99.1.5"),
    0x00080050: (b"SH", "20301234"),
    0x00080090: (b"PN", "Wunderlich^Egon"),
    0x00100010: (b"PN", "Müller^Ann"),
    0x00100020: (b"LO", str(NUMBER)),
    0x00100030: (b"DA", "19700503"),
    0x00100033: (b"LO", "1390/02/27"),
    0x00101000: (b"LO", "4711"),
    0x00101001: (b"PN", "Deckname^Otto"),
    0x00101005: (b"PN", "Quastmeier"),
    0x00101040: (b"LO", "Hauptstraße 12^69120 Heidelberg"),
    0x00101060: (b"PN", "Zorngiebel^Berta"),
    0x00102154: (b"SH", "+49 6221 555777"),
    0x00102155: (b"LT", "a.b@example.org"),
    0x0020000D: (b"UI", "1.2.3.4"),
    0x0020000E: (b"UI", UID),
    0x00200010: (b"SH", "ST-334455"),
    0x00380060: (b"LO", "EP-556677"),
    0x00400009: (b"SH", "SPS-223355"),
    0x00400253: (b"SH", "PPS-223366"),
    0x00401001: (b"SH", "RP-223344"),
    0x00402016: (b"LO", "PL-778899"),
    0x00402017: (b"LO", "FI-889900"),
}
DATES = (
    """
May 3rd, 1970|3rd of May 1970|1970, May 3|3. Mai 1970|1970年5月3日|03,05,1970|5/3/70|May 3, 70
03–05–1970|03\u00a005\u00a01970|700503|030570|050370|3 mai 1970|3 de mayo de 1970|3-May-70
昭和45年5月3日|S45.5.3|1970.5.3|3rd of May 70|１９７０年５月３日|03.05.2513|1390-02-27
""".strip()
    .replace("\n", "|")
    .split("|")
)
IDS = [
    *(f"1234{separator}5678" for separator in ("|", "\t", "\u00a0", ".", "-", " ", " – ", "_")),
    *("0012345678", "12 34 56 78", "ep 556677", "PL|778899", "FI.889900", "RP223344"),
    *("SPS-223355", "PPS-223366", "ST-334455", "20301234", "a.b@example.org", "06221/555777"),
    *("Zorngiebel", "Quastmeier", "deckname", "WUNDERLICH"),
]
ADDRESSES = ["Hauptstraße 12", "HAUPTSTRASSE 12", "Hauptstr. 12", "hauptstrasse12", "Heidelberg"]
WESTERN = ("utf-8", "latin-1", "cp850", "mac_roman")
WIDE = ("utf-16-le", "utf-16-be")
NAMES = [
    ("山田^太郎", "ISO_IR 192", ["山田", "太郎", "山田太郎", "山 田"], ("euc_jp", "shift_jis")),
    ("王小东", "ISO_IR 192", ["小东", "王 小东", "王小东"], ("gb18030",)),
    ("李^明", "ISO_IR 192", ["李^明", "患者李明先生"], ("gb18030", "euc_jp", "big5")),
    ("Yamada^Taro==やまだ^たろう", "ISO_IR 192", ["ヤマダ", "やまだ", "ﾔﾏﾀﾞ"], ("shift_jis",)),
    ("สมชาย^ใจดี", "ISO_IR 166", ["สมชาย", "ใจดี", "นายสมชาย"], ("tis-620",)),
    ("राम^शर्मा", "ISO_IR 192", ["शर्मा"], ()),
    ("Нгуен^Ян", "ISO_IR 144", ["Нгуен", "НГУЕН", "Ян Нгуен"], ("cp1251", "koi8_r", "cp866")),
    ("שרון^דן", "ISO_IR 138", ["שרון"], ("cp862",)),
]


def source(changes: dict[int, tuple[bytes, str | bytes]] | None = None) -> bytes:
    values = {**SOURCE, **(changes or {})}
    sets = {"ISO_IR 166": "tis-620", "ISO_IR 144": "iso8859_5", "ISO_IR 138": "iso8859_8"}
    encoding = sets.get(str(values[0x00080005][1]), "utf-8")
    elements = []
    for tag, (vr, value) in sorted(values.items()):
        raw = value if isinstance(value, bytes) else value.encode(encoding, "replace")
        elements.append(encode_element(EXPLICIT_LITTLE, tag, vr, raw))
    return b"".join(elements)


def element(place: tuple[int, bytes], value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return encode_element(EXPLICIT_LITTLE, *place, raw)


def found(before: bytes, after: bytes, encoding: Encoding = EXPLICIT_LITTLE) -> set[str]:
    return {item.kind.value for item in LeakGate().check(before, after, encoding)}


def in_bytes(mention: str) -> Iterator[tuple[str, bytes]]:
    """A mention at any alignment, plain and in UTF-16."""
    for start in range(4):
        for encoding in ("utf-8", *WIDE):
            data = b"\x00\xfe\x01\x7f"[:start] + mention.encode(encoding) + b"\x88"
            yield f"{mention} in OW behind {start}, {encoding}", element((0x00283006, b"OW"), data)


def spelled() -> Iterator[tuple[str, bytes]]:
    names = ["Müller", "MÜLLER", "Mueller", "muller", unicodedata.normalize("NFD", "Müller")]
    for text in (*names, *ADDRESSES):
        for encoding in WESTERN:
            try:
                raw = text.encode(encoding)
            except UnicodeEncodeError:
                continue
            for place in (TEXT, (0x00280030, b"DS"), *BYTE_PLACES):
                yield f"{text} in {encoding}, {place}", element(place, raw)
        for encoding in WIDE:
            yield f"{text} in {encoding}", element(PRIVATE, b"\1" + text.encode(encoding))
    once = "Müller".encode().decode("latin-1").encode()
    for label, raw in {
        "once": once,
        "twice": once.decode("latin-1").encode(),
        "by 1252": "Müller".encode().decode("cp1252").encode(),
    }.items():
        yield f"UTF-8 read as another set {label}", element(TEXT, raw)
        yield f"UTF-8 read as another set {label}, in bytes", element(PRIVATE, raw)


def noted() -> Iterator[tuple[str, bytes]]:
    for text in (*DATES, *IDS):
        yield f"{text} in text", element(TEXT, text)
        yield f"{text} in bytes", element(PRIVATE, f"told us: {text}")
    for text in (str(NUMBER), "EP-556677", "20301234", "Quastmeier"):
        yield from in_bytes(text)
    for text in ("see Ann here", "Ann^X today"):
        for place in BYTE_PLACES:
            yield f"{text} in {place}", element(place, b"\1\2\xff" + text.encode() + b"\0\xfe")


def counted() -> Iterator[tuple[str, bytes]]:
    codes = "UL:I SL:i FL:f FD:d SV:q UV:Q OL:I OV:Q OF:f OD:d OB:I OW:I UN:I UN:Q UN:d"
    for vr, code in (pair.split(":") for pair in codes.split()):
        place = (0x00189087, vr.encode())
        for number in (NUMBER, 20301234, 19700503):
            yield f"{number} in {vr} as {code}", element(place, struct.pack("<" + code, number))
            many = struct.pack("<" + 3 * code, 1, number, 7)
            yield f"{number} among others in {vr} as {code}", element(place, many)
    for vr, code in (pair.split(":") for pair in ["US:H", "SS:h", "UL:I", "FD:d", "FL:f"]):
        yield f"4711 in {vr}", element((0x00091011, vr.encode()), struct.pack("<" + code, 4711))
    yield "4711 in IS", element((0x00200012, b"IS"), "4711")
    yield "4711 in DS", element((0x00180088, b"DS"), "4711.0")
    yield "digits of a tag", element((0x00091011, b"AT"), bytes.fromhex("34127856"))
    for vr, tag in COUNTED_PLACES.items():
        for text in (str(NUMBER), UID, "1.2.3.4", "of Quastmeier"):
            yield f"{text} in {vr.decode()}", element((tag, vr), text)
    yield "number in a UID", element((0x00081155, b"UI"), f"1.2.3.{NUMBER}.4")


def numbered() -> Iterator[tuple[str, bytes]]:
    for vr in (b"US", b"OB", b"OW", b"UN", b"LO", b"FD", b"UT", b"AT", b"UI", b"LT"):
        place = (0x00091013, vr)
        yield f"UID in {vr.decode()}", element(place, UID if vr == b"UI" else f"of {UID} ")
        yield f"UID in UTF-16 in {vr.decode()}", element(place, UID.encode("utf-16-le"))
    yield "under the standard's root", element((0x00081155, b"UI"), "1.2.840.10008.99.1.5")
    yield "short", element((0x00081155, b"UI"), "1.2.3.4")
    yield "where a class stands", element((0x00081150, b"UI"), "1.2.840.10008.99.1.5")


GROUPS = {"spelled": spelled, "noted": noted, "counted": counted, "numbered": numbered}


@pytest.mark.parametrize("group", GROUPS)
def test_every_leak_is_found(group: str):
    before, clean = source(), element(TEXT, "Thorax")
    leaks = list(GROUPS[group]())

    assert found(before, clean) == set()
    missed = [label for label, leak in leaks if not found(before, clean + leak)]
    assert not missed, "\n".join(missed)
    assert len(leaks) >= 20


@pytest.mark.parametrize(("name", "declared", "mentions", "encodings"), NAMES)
def test_names_of_any_script_are_found(
    name: str, declared: str, mentions: list[str], encodings: tuple[str, ...]
):
    before = source({0x00080005: (b"CS", declared), 0x00100010: (b"PN", name)})
    missed = []
    for mention in mentions:
        for encoding in ("utf-8", *encodings, *WIDE):
            try:
                raw = mention.encode(encoding)
            except UnicodeEncodeError:
                continue
            places = BYTE_PLACES if encoding in WIDE else [TEXT, *BYTE_PLACES]
            for place in places:
                data = raw if place == TEXT else b"\x01\x02" + raw
                if not found(before, element(place, data)):
                    missed.append(f"{mention} in {encoding}, {place}")

    assert not missed, "\n".join(missed)


@pytest.mark.parametrize("vr", [b"OB", b"UN", b"OW", b"US", b"LO"])
@pytest.mark.parametrize("value", ["ODD-998877", "ODD-\x07998877", "O\x01DD-998877"])
def test_ids_of_odd_values_are_learnt(vr: bytes, value: str):
    before = source({0x00100020: (vr, value)})

    assert found(before, element(TEXT, "case ODD-998877")) == {"patient_id"}


def test_a_name_in_utf_16_is_learnt():
    before = source({0x00100010: (b"OB", "Trostmann^Ida".encode("utf-16-le"))})

    assert found(before, element(TEXT, "Trostmann")) == {"patient_name"}


@pytest.mark.parametrize(
    ("name", "mention"),
    [
        ("O'Brien^Sean", "obrien"),
        ("Meyer-Landrut^Lena", "MeyerLandrut"),
        ("von der Leyen^Ursula", "vonderLeyen"),
        ("Nguyễn^Văn", "NGUYEN"),
        ("İnci^Ayşe", "inci"),
        ("Kim^Chul=金^哲秀=김^철수", "김 철수"),
        ("김철수", "철수"),
    ],
)
def test_compound_and_accented_names_are_found(name: str, mention: str):
    assert found(source({0x00100010: (b"PN", name)}), element(TEXT, mention)) == {"patient_name"}


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("山田^太郎", "shift_jis"),
        ("山田^太郎", "euc_jp"),
        ("Müller^Eva", "cp850"),
        ("Müller^Eva", "mac_roman"),
        ("Нгуен^Анна", "cp1251"),
    ],
)
def test_names_in_an_undeclared_encoding_are_learnt(name: str, encoding: str):
    raw = name.encode(encoding)
    before = source({0x00080005: (b"CS", ""), 0x00100010: (b"PN", raw)})
    family_name = name.split("^")[0]

    assert found(before, element(TEXT, family_name)) == {"patient_name"}
    assert found(before, element(TEXT, family_name.encode(encoding))) == {"patient_name"}


@pytest.mark.parametrize("encoding", [IMPLICIT_LITTLE, EXPLICIT_BIG], ids=["implicit", "big"])
def test_numbers_are_found_in_other_encodings(encoding: Encoding):
    before = encode_element(encoding, 0x00100020, b"LO", str(NUMBER).encode())
    order = encoding.order
    leak = encode_element(encoding, 0x00189087, b"FD", struct.pack(order + "d", NUMBER))
    clean = encode_element(encoding, 0x00189087, b"FD", struct.pack(order + "d", NUMBER + 1))

    assert found(before, clean, encoding) == set()
    assert found(before, leak, encoding) == {"patient_id"}


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00280010, b"US", struct.pack("<H", 1024)),
        (0x00200013, b"IS", b"4711"),
        (0x00283006, b"US", struct.pack("<8H", *range(4708, 4716))),
        (0x00180050, b"DS", b"1.4711"),
        (0x00080030, b"TM", b"123456.78"),
        (0x00181030, b"LO", b"1"),
        (0x00081030, b"LO", b"MR Head"),
        (0x00420011, b"OB", b"\xff\x12ann\x00\x01\xfe" + bytes(99)),
        (0x0008103E, b"LO", b"version 5.3.70.1"),
        (0x00283006, b"OW", random.Random(1).randbytes(1 << 18)),
    ],
)
def test_what_coincides_raises_no_alarm(tag: int, vr: bytes, value: bytes):
    before = source(
        {
            0x00101000: (b"LO", "4711\\1024\\123456"),
            0x00200010: (b"SH", "1"),
            0x00401001: (b"SH", "MR Head"),
        }
    )

    assert found(before, element((tag, vr), value)) == set()


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.4.1.1", "1.2.840.10008.5.1.4.1.1.2"])
def test_well_known_uids_stay(uid: str):
    before = source({0x00200052: (b"UI", uid)})

    assert found(before, element((0x00200052, b"UI"), uid)) == set()


def test_a_private_class_is_no_leak():
    before = source({0x00080016: (b"UI", "1.3.12.2.1107.5.9.1")})

    assert found(before, element((0x00080016, b"UI"), "1.3.12.2.1107.5.9.1")) == set()


def test_names_of_physicians_that_the_profile_keeps_are_no_leak():
    rules = OutgoingRules(b"SUBJ-7", private_may_stay=True, own=frozenset({0x00080090}))
    after = element((0x00080090, b"PN"), "Wunderlich^Egon")

    assert found(source(), after) == {"patient_name"}
    assert LeakGate(rules=rules).check(source(), after, EXPLICIT_LITTLE) == []


def test_a_pseudonym_that_was_the_id_of_the_old_trial_is_no_leak():
    rules = OutgoingRules(b"SUBJ-2024-7", private_may_stay=True, own=frozenset())
    before = source({0x00120040: (b"LO", "SUBJ-2024-7")})
    after = element((0x00100020, b"LO"), "SUBJ-2024-7")

    assert LeakGate(rules=rules).check(before, after, EXPLICIT_LITTLE) == []


def test_a_leak_is_found_in_every_object_of_a_series():
    gate, before = LeakGate(), source()
    leaks = element(TEXT, "Quastmeier") + element((0x00091013, b"LT"), f"of {UID} ")
    clean = element((0x00181030, b"LO"), "Thorax")

    first, second = (gate.check(before, clean + leaks, EXPLICIT_LITTLE) for _ in range(2))

    assert {finding.kind for finding in first} == {
        FindingKind.PATIENT_NAME,
        FindingKind.ORIGINAL_UID,
    }
    assert set(first) == set(second)
    assert gate.check(before, clean, EXPLICIT_LITTLE) == []
