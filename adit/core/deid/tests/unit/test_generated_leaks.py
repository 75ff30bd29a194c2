"""The leak gate alone finds identifiers that are put into headers which the engine has cleaned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from pydicom.charset import encode_string

from adit.core.deid import Assignment, standard_research_profile
from adit.core.deid.charset import charset
from adit.core.deid.codec import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Encoding,
    encode_element,
    encode_item,
    encode_sequence,
)
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.tests.objects import SECRET, ct_header, encode, process, profile

TEXT_PLACES = {
    "AE": (0x00080054, b"AE"),
    "CS": (0x00080061, b"CS"),
    "LO": (0x0008103E, b"LO"),
    "LT": (0x00204000, b"LT"),
    "PN": (0x00081070, b"PN"),
    "SH": (0x00181030, b"SH"),
    "ST": (0x00081080, b"ST"),
    "UC": (0x00189908, b"UC"),
    "UR": (0x00081190, b"UR"),
    "UT": (0x0040A160, b"UT"),
    "file meta, AE": (0x00020016, b"AE"),
    "UN of a known attribute": (0x0008103E, b"UN"),
    "unknown attribute": (0x00080999, b"LO"),
    "private LO": (0x00091010, b"LO"),
    "private UT": (0x00091010, b"UT"),
    "curve label": (0x50002500, b"LO"),
    "overlay comment": (0x60004000, b"LT"),
    "behind the pixel data": (0xFFFCFFFC, b"LT"),
}
BYTE_PLACES = {
    "private UN": (0x00091010, b"UN"),
    "private OB": (0x00091010, b"OB"),
    "document": (0x00420011, b"OB"),
    "file meta, OB": (0x00020102, b"OB"),
}
BROKEN_PLACES = {
    "DS that is no number": (0x00280030, b"DS"),
    "IS that is no number": (0x00200013, b"IS"),
    "UI that is no UID": (0x00081155, b"UI"),
    "US with letters": (0x00280010, b"US"),
    "FD with letters": (0x00189087, b"FD"),
    "OW with letters": (0x00283006, b"OW"),
    "invented VR": (0x00091010, b"ZZ"),
}
MENTIONS = {
    "family name": "Frau Hannemann zur Kontrolle",
    "capitals": "HANNEMANN",
    "name in a word": "xhannemannx",
    "given name": "see Gertrud 2",
    "name split": "Han^ne^mann",
    "name spaced": "H a n n e m a n n",
    "id": "PID-4711",
    "id with zeros": "case 00123456",
    "id without zeros": "case 123456",
    "id with other separators": "pid 4711",
    "other id": "x,ALT5566,x",
    "admission": "ADM-998877",
    "birth date": "19601231",
    "birth date, ISO": "1960-12-31",
    "birth date, German": "31.12.1960",
    "birth date, American": "12/31/60",
    "birth date in words": "31 Dec 1960",
    "birth date with time": "19601231120000",
    "accession number": "ACC-2024-0815",
    "address": "Lindenallee 7",
    "phone": "+49 (6221) 555-777",
}
CHARACTER_SETS = {
    "ISO_IR 100": ("Müller^Jürgen", ["Müller", "MÜLLER", "Mueller", "Muller"]),
    "ISO_IR 101": ("Łukasiewicz^Śliwa", ["Łukasiewicz", "łukasiewicz"]),
    "ISO_IR 109": ("Ħanjżera^Ġorġ", ["Ħanjżera"]),
    "ISO_IR 110": ("Ķēniņš^Jānis", ["Ķēniņš"]),
    "ISO_IR 144": ("Люксембург^Анна", ["Люксембург", "ЛЮКСЕМБУРГ"]),
    "ISO_IR 126": ("Διονυσιος^Παπαδοπουλος", ["Διονυσιος", "ΔΙΟΝΥΣΙΟΣ"]),
    "ISO_IR 127": ("قباني^لنزار", ["قباني"]),
    "ISO_IR 138": ("שרון^דבורה", ["שרון"]),
    "ISO_IR 148": ("Çavuşoğlu^Işıl", ["Çavuşoğlu"]),
    "ISO_IR 166": ("สมชาย^ใจดี", ["สมชาย"]),
    "ISO_IR 13": ("ﾔﾏﾀﾞ^ﾀﾛｳ", ["ﾔﾏﾀﾞ"]),
    "ISO_IR 192": ("Özdemir^Şükrü=山田^太郎", ["ÖZDEMIR", "ozdemir", "山田", "太郎"]),
    "GB18030": ("Wang^XiaoDong=王^小东", ["小东", "王小东"]),
    "GBK": ("Wang^XiaoDong=王^小东", ["小东"]),
    "\\ISO 2022 IR 87": ("Yamada^Tarou=山田^太郎", ["山田", "太郎"]),
    "ISO 2022 IR 13\\ISO 2022 IR 87": ("ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎", ["山田", "ﾔﾏﾀﾞ"]),
    "\\ISO 2022 IR 87\\ISO 2022 IR 159": ("Goto^Taro=後藤^丑郎", ["後藤"]),
    "\\ISO 2022 IR 149": ("Hong^Gildong=洪^吉洞=홍^길동", ["길동", "吉洞"]),
    "\\ISO 2022 IR 58": ("Zhang^XiaoDong=张^小东", ["小东"]),
}
TRANSCRIPTIONS = [
    ("Müller^Jürgen", "Mueller"),
    ("Müller^Jürgen", "MULLER"),
    ("Mueller^Juergen", "Müller"),
    ("Mueller^Juergen", "muller"),
    ("Muller^Jurgen", "Muller"),
    ("Großmann^Eva", "GROSSMANN"),
    ("Grossmann^Eva", "Großmann"),
    ("Sørensen^Åse", "Soerensen"),
    ("Sørensen^Åse", "Sorensen"),
    ("Łukasz^Jan", "Lukasz"),
]


@cache
def cleaned(name: str, declared: str) -> tuple[bytes, bytes]:
    """Header before and after the engine, in explicit little endian."""
    dataset = ct_header(
        PatientID="PID-4711",
        OtherPatientIDs=["ALT5566", "00123456"],
        AdmissionID="ADM-998877",
        AccessionNumber="ACC-2024-0815",
        PatientBirthDate="19601231",
        PatientAddress="Lindenallee 7^Heidelberg",
        PatientTelephoneNumbers="+49 6221 555777",
        StudyDate="20200301",
    )
    del dataset.PatientName
    before = encode(dataset)
    raw = encoded_text(name, declared)
    sets = encode_element(EXPLICIT_LITTLE, 0x00080005, b"CS", declared.encode())
    before = sets + before + encode_element(EXPLICIT_LITTLE, 0x00100010, b"PN", raw)
    options = standard_research_profile(SECRET).options
    after, result = process(
        before, under=profile(*options), assignment=Assignment(pseudonym="SUBJ-7")
    )
    assert not result.findings
    return before, after


def encoded_text(text: str, declared: str) -> bytes:
    if declared == "":
        return text.encode()
    if re.search(
        r"IR 13\b", declared
    ):  # as a device writes it: katakana in one byte, kanji by escapes
        runs = re.findall(r"[\u3400-\u9fff]+|[^\u3400-\u9fff]+", text)
        return b"".join(
            run.encode("iso2022_jp").replace(b"\x1b(B", b"\x1b(J")
            if run[0] > "\u3400" and run[0] < "\uff00"
            else run.encode("shift_jis")
            for run in runs
        )
    return encode_string(text, charset(declared.encode()).encodings)


def found(before: bytes, after: bytes, encoding: Encoding = EXPLICIT_LITTLE) -> set[str]:
    return {item.kind.value for item in LeakGate().check(before, after, encoding)}


def nested(element: bytes) -> bytes:
    inner = encode_sequence(EXPLICIT_LITTLE, 0x0040A730, [encode_item(EXPLICIT_LITTLE, element)])
    item = encode_item(EXPLICIT_LITTLE, inner, undefined=True)
    return encode_sequence(EXPLICIT_LITTLE, 0x00081115, [item], undefined=True)


def in_private_sequence(element: bytes) -> bytes:
    items = [encode_item(EXPLICIT_LITTLE, element)]
    return encode_sequence(EXPLICIT_LITTLE, 0x00091020, items)


def in_unknown_vr_sequence(mention: bytes) -> bytes:
    """A sequence in an element of VR UN: implicit inside (PS3.5 6.2.2)."""
    element = encode_element(IMPLICIT_LITTLE, 0x0008103E, b"LO", mention)
    item = encode_item(IMPLICIT_LITTLE, element, undefined=True)
    header = EXPLICIT_LITTLE.short.pack(0x0009, 0x1030, b"UN", 0) + b"\xff\xff\xff\xff"
    return header + item + IMPLICIT_LITTLE.long.pack(0xFFFE, 0xE0DD, 0)


def leaks() -> Iterator[tuple[str, str, str, bytes]]:
    """Label, name of the patient, character set, and the element that leaks."""
    plain = "Hannemann^Gertrud"
    for what, mention in MENTIONS.items():
        text = mention.encode()
        for place, (tag, vr) in TEXT_PLACES.items():
            yield f"{what} in {place}", plain, "", encode_element(EXPLICIT_LITTLE, tag, vr, text)
        element = encode_element(EXPLICIT_LITTLE, 0x0040A160, b"UT", text)
        yield f"{what}, nested", plain, "", nested(element)
        yield f"{what} in a private sequence", plain, "", in_private_sequence(element)
        yield f"{what} in a sequence of VR UN", plain, "", in_unknown_vr_sequence(text)
        for place, (tag, vr) in BYTE_PLACES.items():
            for how, data in {
                "": b"\x00\x01\xfe" + text + b"\x00\xff",
                "UTF-16": b"\xff\xfe" + mention.encode("utf-16-le"),
                "UTF-16 big": mention.encode("utf-16-be"),
            }.items():
                element = encode_element(EXPLICIT_LITTLE, tag, vr, data)
                yield f"{what} in {place} {how}", plain, "", element
    for place, (tag, vr) in BROKEN_PLACES.items():
        for what in ("family name", "capitals"):
            element = encode_element(EXPLICIT_LITTLE, tag, vr, MENTIONS[what].encode())
            yield f"{what} in {place}", plain, "", element
    for declared, (name, mentions) in CHARACTER_SETS.items():
        for mention in mentions:
            label = f"{mention} in {declared or 'default'}"
            raw = encoded_text(f"Kontrolle {mention}", declared if mention[0] > "z" else "")
            if mention.isascii() is False and mention[0] <= "z":
                raw = encoded_text(f"Kontrolle {mention}", declared)
            element = encode_element(EXPLICIT_LITTLE, 0x0008103E, b"LO", raw)
            yield label, name, declared, element
            yield f"{label}, nested", name, declared, nested(element)
            element = encode_element(EXPLICIT_LITTLE, 0x00091010, b"UN", b"\x01" + raw)
            yield f"{label}, UN", name, declared, element
            utf_8 = encode_element(EXPLICIT_LITTLE, 0x0008103E, b"LO", mention.encode())
            yield f"{label}, in UTF-8", name, declared, utf_8
            utf_16 = b"\x01\x02" + mention.encode("utf-16-le")
            element = encode_element(EXPLICIT_LITTLE, 0x00091010, b"UN", utf_16)
            yield f"{label}, in UTF-16", name, declared, element
    for name, mention in TRANSCRIPTIONS:
        element = encode_element(
            EXPLICIT_LITTLE, 0x0008103E, b"LO", encoded_text(mention, "ISO_IR 192")
        )
        yield f"{mention} of {name}", name, "ISO_IR 192", element


LEAKS = list(leaks())


def test_there_are_hundreds_of_leaks(capsys: pytest.CaptureFixture[str]):
    assert len(LEAKS) >= 200
    with capsys.disabled():
        print(f"\n{len(LEAKS)} generated leaks")


def test_the_headers_are_clean_without_a_leak():
    for name, declared in {(name, declared) for _, name, declared, _ in LEAKS}:
        assert found(*cleaned(name, declared)) == set(), name


def test_every_leak_is_found():
    missed = []
    for label, name, declared, element in LEAKS:
        before, after = cleaned(name, declared)
        if not found(before, after + element):
            missed.append(label)

    assert not missed, "\n".join(missed)


@pytest.mark.parametrize("encoding", [IMPLICIT_LITTLE, EXPLICIT_BIG], ids=["implicit", "big"])
@pytest.mark.parametrize("what", MENTIONS)
def test_a_leak_is_found_in_other_encodings(what: str, encoding: Encoding):
    values = {
        0x00080050: (b"SH", b"ACC-2024-0815"),
        0x00100010: (b"PN", b"Hannemann^Gertrud"),
        0x00100020: (b"LO", b"PID-4711"),
        0x00100030: (b"DA", b"19601231"),
        0x00101000: (b"LO", b"ALT5566\\00123456"),
        0x00101040: (b"LO", b"Lindenallee 7"),
        0x00102154: (b"SH", b"+49 6221 555777"),
        0x00380010: (b"LO", b"ADM-998877"),
    }
    before = b"".join(encode_element(encoding, tag, *value) for tag, value in values.items())
    clean = encode_element(encoding, 0x0008103E, b"LO", b"Thorax")
    leak = encode_element(encoding, 0x0040A160, b"UT", MENTIONS[what].encode())

    assert found(before, clean, encoding) == set()
    assert found(before, clean + leak, encoding)
