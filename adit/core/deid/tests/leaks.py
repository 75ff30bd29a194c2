"""Leaks for the gate: what people write of a patient, in every character set, place and encoding.

Elements are encoded here by hand, so that neither the engine nor the gate takes part.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.charset import convert_encodings, encode_string
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adit.core.deid.tests.objects import ct_header, encode

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
_WITH_LONG_LENGTH = "OB OD OF OL OV OW SQ SV UC UN UR UT UV"
_UNDEFINED = 0xFFFFFFFF
_ENGLISH = "January February March April May June July August September October November December"
_GERMAN = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
_FRENCH = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"


@dataclass(frozen=True)
class Person:
    """A patient, invented."""

    declared: str
    family: str
    given: str
    birth: str
    number: str
    accession: str
    other_scripts: str = ""

    def header(self) -> Dataset:
        """The attributes that identify."""
        scripts = f"={self.other_scripts}" if self.other_scripts else ""
        tail = self.number[-3:]
        return ct_header(
            SpecificCharacterSet=self.declared.split("\\") if self.declared else None,
            PatientName=f"{self.family}^{self.given}{scripts}",
            PatientID=self.number,
            AccessionNumber=self.accession,
            PatientBirthDate=self.birth.replace("-", ""),
            StudyDate="20190412",
            OtherPatientIDs=[f"OPID-88{tail}", f"SSN 078-05-1{tail}"],
            OtherPatientNames="Zweitname^Adelheid",
            PatientBirthName="Geburtsname^Adelheid",
            PatientMotherBirthName="Mutterlein^Kunigunde",
            PatientAddress="Lindwurmstrasse 178b, 80337 Muenchen",
            PatientTelephoneNumbers="+49 89 5551 88 23",
            AdmissionID=f"ADM-55{tail}",
        )

    def mentions(self) -> Iterator[str]:
        """What somebody may write of the patient."""
        yield from self._names()
        yield from self._numbers()
        yield from self._births()
        yield from ("Lindwurmstrasse 178b", "Lindwurmstr. 178 b, Muenchen")
        yield from ("+49 89 5551 88 23", "+498955518823", "089/55518823", "0049-89-5551-8823")

    def _names(self) -> Iterator[str]:
        family, given = self.family, self.given
        yield from (f"{family}^{given}", f"{given} {family}", f"{family}, {given}", family)
        yield from (family.upper(), family.lower(), f"Befund fuer {family}", f"{family}{given}")
        yield from (f"scan of {given.upper()} {family.upper()} today", f"{family}_{given}.dcm")
        yield from (f"{given}.{family}@example.org", f"{family}-{given}", f"Hallo {given}!")
        yield from ("Zweitname", "GEBURTSNAME", "Frau Mutterlein", f"{family}'s brain", given)
        for script in self.other_scripts.split("="):
            if script:
                yield from (script, script.replace("^", ""), script.replace("^", " "))

    def _numbers(self) -> Iterator[str]:
        number, tail = self.number, self.number[-3:]
        yield from (number, number.lower(), f"ID:{number}", " ".join(number), f"PID={number};")
        yield from (number.replace("-", ""), number.replace("-", " "), f"http://pacs/{number}/1")
        yield from (f"OPID-88{tail}", f"SSN 078051{tail}", f"ADM-55{tail}")
        yield from (self.accession, f"Acc#{self.accession}", f"{self.accession}_1")
        if sum(map(str.isdecimal, number)) >= 6:
            yield f"x{number}y"

    def _births(self) -> Iterator[str]:
        year, month, day = self.birth.split("-")
        english, german, french = (
            names.split()[int(month) - 1] for names in (_ENGLISH, _GERMAN, _FRENCH)
        )
        number = int(day)
        yield from (f"{year}{month}{day}", f"{year}-{month}-{day}", f"{day}.{month}.{year}")
        yield from (
            f"{month}/{day}/{year}",
            f"{number}.{int(month)}.{year}",
            f"*{day}{month}{year}",
        )
        yield from (f"{number} {english[:3]} {year}", f"{english} {number}, {year}")
        yield from (
            f"{number}. {german} {year}",
            f"{number} {french} {year}",
            f"DOB {year}{month}{day}.",
        )
        yield from (f"geb. {day}.{month}.{year[2:]}", f"{day}-{english[:3].upper()}-{year}")
        yield from (f"{year}.{month}.{day}", f"{year}/{month}/{day}", f"{year}{month}{day}T000000")


PEOPLE = (
    Person("", "Kowalczyk", "Brunhilde", "1951-04-23", "P0048213", "ACC9931277"),
    Person("ISO_IR 100", "Müßigbrodt", "Jörg", "1938-08-02", "MRN-77120-B", "2019/004411"),
    Person("ISO_IR 101", "Wójcikiewicz", "Łucja", "1977-07-19", "8812345", "A7712003"),
    Person("ISO_IR 109", "Ħażżan", "Ġorġina", "1965-12-30", "MT-551209", "ACCMT9912"),
    Person("ISO_IR 110", "Bērziņš", "Ģirts", "1990-02-14", "LV140290", "LVX00912"),
    Person("ISO_IR 144", "Люксембург", "Зинаида", "1949-08-08", "RU-009911", "ЗАК-7781"),
    Person("ISO_IR 127", "قباني", "نزار", "1923-03-21", "AR778812", "AR-ACC-1"),
    Person("ISO_IR 126", "Διονυσιος", "Παναγιωτης", "1958-09-09", "GR882291", "GRACC8821"),
    Person("ISO_IR 138", "שרוןברג", "דבורה", "1944-06-15", "IL0099182", "ILACC772"),
    Person("ISO_IR 148", "Çavuşoğlu", "Iğdır", "1983-01-29", "TR-8819-22", "TRACC221"),
    Person("ISO_IR 166", "ศรีสุวรรณ", "พรทิพย์", "1971-10-05", "TH771299", "THACC1"),
    Person("ISO_IR 13", "ﾀﾅｶ", "ｷﾖｺ", "1966-05-17", "JP009188", "JPACC0091"),
    Person("ISO_IR 192", "Nguyễn", "Thịnh", "1999-09-19", "VN-0912-77", "VNACC77x"),
    Person("ISO_IR 192", "O'Shaughnessy-Müller", "Siobhán", "1931-02-07", "0000471198", "IE00019"),
    Person(
        *("\\ISO 2022 IR 87", "Yamada", "Tarou", "1980-12-24", "JP771882", "JPACC0092"),
        other_scripts="山田^太郎=やまだ^たろう",
    ),
    Person(
        *("\\ISO 2022 IR 149", "Hong", "Gildong", "1955-05-05", "KR771882", "KRACC0092"),
        other_scripts="洪^吉洞=홍^길동",
    ),
    Person(
        *("\\ISO 2022 IR 58", "Zhao", "Xiaolan", "1962-03-18", "CN991882", "CNACC1292"),
        other_scripts="赵^小兰",
    ),
    Person(
        *("GB18030", "Wang", "XiaoDong", "1988-11-18", "CN771882", "CNACC0092"),
        other_scripts="王^小东",
    ),
    Person(
        *("GBK", "Zhang", "Weihua", "1968-03-28", "CN881882", "CNACC1192"),
        other_scripts="张^伟华",
    ),
)


def written(text: str, declared: str) -> Iterator[bytes]:
    """The text as the object would hold it, and in what devices write all the same."""
    if declared == "ISO_IR 13":
        yield text.encode("shift_jis")
    else:
        encodings = convert_encodings(declared.split("\\") if declared else "")
        data = encode_string(text, list(encodings))
        if data.count(b"?") == text.count("?"):
            yield data
    if not text.isascii():
        yield text.encode()
        yield text.encode("utf-16-be")
    yield text.encode("utf-16-le")


class Writer:
    """Encodes elements in a transfer syntax."""

    def __init__(self, syntax: str) -> None:
        self.implicit = syntax == ImplicitVRLittleEndian
        self._order = ">" if syntax == ExplicitVRBigEndian else "<"

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """A leaf, padded."""
        if len(value) % 2:
            value += b"\0" if vr in ("OB", "OW", "UI", "UN") else b" "
        return self.header(tag, vr, len(value)) + value

    def sequence(self, tag: int, body: bytes, undefined: bool, vr: str = "SQ") -> bytes:
        """A sequence of one item."""
        if undefined:
            item = self._mark(0xE000, _UNDEFINED) + body + self._mark(0xE00D, 0)
            return self.header(tag, vr, _UNDEFINED) + item + self._mark(0xE0DD, 0)
        item = self._mark(0xE000, len(body)) + body
        return self.header(tag, vr, len(item)) + item

    def _mark(self, number: int, length: int) -> bytes:
        return struct.pack(self._order + "HHL", 0xFFFE, number, length)

    def header(self, tag: int, vr: str, length: int) -> bytes:
        """Tag, VR and length."""
        group, number = tag >> 16, tag & 0xFFFF
        if self.implicit:
            return struct.pack(self._order + "HHL", group, number, length)
        if vr in _WITH_LONG_LENGTH.split():
            return struct.pack(self._order + "HH2sHL", group, number, vr.encode(), 0, length)
        return struct.pack(self._order + "HH2sH", group, number, vr.encode(), length)


_STANDARD = {
    "LO": 0x00081030,
    "LT": 0x00104000,
    "SH": 0x00181030,
    "ST": 0x00080081,
    "UC": 0x00189366,
    "UT": 0x0040A160,
    "PN": 0x00081048,
}


def placed(writer: Writer, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The bytes in each place that an element can be in."""
    element, sequence = writer.element, writer.sequence
    for vr, tag in _STANDARD.items():
        yield vr, element(tag, vr, raw)
    creator = element(0x00290010, "LO", b"ACME 1")
    for vr in ("LO", "LT", "UT", "UN", "OB", "OW"):
        yield f"private {vr}", creator + element(0x00291020, vr, raw)
    text = element(0x0040A160, "UT", raw)
    for undefined in (False, True):
        inner = sequence(0x0040A730, text, undefined)
        yield f"nested, undefined {undefined}", sequence(0x0040A730, inner, not undefined)
        yield f"private sequence {undefined}", sequence(0x00091002, text, undefined)
    yield "overlay comments", element(0x60004000, "LT", raw)
    yield "curve label", element(0x50002500, "LO", raw)
    yield "file meta", element(0x00020102, "OB", raw)
    yield "second value", element(0x00081030, "LO", b"abc \\" + raw)
    if not writer.implicit:  # inside of VR UN everything is implicit (PS3.5 6.2.2)
        little = Writer(ImplicitVRLittleEndian)
        hidden = little.element(0x00081030, "LO", raw)
        items = little.sequence(0, hidden, undefined=True)[8:]
        yield "sequence of VR UN", writer.header(0x00091002, "UN", _UNDEFINED) + items
        items = little.sequence(0, hidden, undefined=False)[8:]
        yield "sequence in bytes", element(0x00091002, "UN", items)


def encoded_header(person: Person, syntax: str) -> bytes:
    """The source's header."""
    header = person.header()
    if not person.declared:
        del header.SpecificCharacterSet
    return encode(header, syntax)
