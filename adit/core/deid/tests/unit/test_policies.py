"""Objects that may carry identity where no rule looks follow the profile's policy."""

from __future__ import annotations

import io

import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from adit.core.deid import (
    Assignment,
    BurnedInPolicy,
    FindingKind,
    Option,
    attribute_table,
    preview,
)
from adit.core.deid.burned_in import suspicion
from adit.core.deid.codec import EXPLICIT_LITTLE, encode_element
from adit.core.deid.leak_gate import LeakGate
from adit.core.deid.leak_rules import OutgoingRules
from adit.core.deid.tests.objects import (
    ct_header,
    decode,
    encode,
    process,
    process_dataset,
    profile,
)

EXPLICIT = "1.2.840.10008.1.2.1"
STORAGE = "1.2.840.10008.5.1.4.1.1."
DOUBTFUL = [
    ({"BurnedInAnnotation": "YES", "Rows": 4}, "BurnedInAnnotation"),
    ({"Modality": "US", "Rows": 4}, "PixelData"),
    ({"Modality": "XC", "Rows": 4}, "PixelData"),
    ({"Modality": "OT", "Rows": 4}, "PixelData"),
    ({"SOPClassUID": STORAGE + "7", "Rows": 4}, "PixelData"),
    ({"SOPClassUID": STORAGE + "77.1.1.1", "Rows": 4}, "PixelData"),
    ({"SOPClassUID": STORAGE + "104.1"}, "EncapsulatedDocument"),
    ({"SOPClassUID": STORAGE + "104.2"}, "EncapsulatedDocument"),
    ({"SOPClassUID": STORAGE + "104.3"}, "EncapsulatedDocument"),
    ({"SOPClassUID": STORAGE + "9.4.1"}, "WaveformData"),
    ({"Rows": 4, "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "PixelData"),
    ({"Rows": 4, "ImageType": ["DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT"]}, "PixelData"),
    ({"Rows": 4, "ImageType": ["DERIVED", "SECONDARY", "OTHER", "CSA REPORT"]}, "PixelData"),
    ({"Rows": 4, "ImageType": ["DERIVED", "PRIMARY", "DOSE_INFO"]}, "PixelData"),
    ({"Modality": "CR", "Rows": 4, "ConversionType": "DF"}, "PixelData"),
]


@pytest.mark.parametrize(("attributes", "keyword"), DOUBTFUL)
def test_an_object_in_doubt_is_held_excluded_or_allowed(attributes: dict, keyword: str):
    dataset = ct_header(**attributes)

    data, held = process(encode(dataset), under=profile())
    nothing, excluded = process(encode(dataset), under=profile(burned_in=BurnedInPolicy.EXCLUDE))
    _, allowed = process(encode(dataset), under=profile(burned_in=BurnedInPolicy.ALLOW))

    assert [(item.kind, item.keyword) for item in held.findings] == [
        (FindingKind.BURNED_IN, keyword)
    ]
    assert data
    assert nothing == b"" and excluded.excluded.endswith(".") and excluded.size == 0
    assert allowed.findings == [] and not allowed.excluded


@pytest.mark.parametrize(
    "attributes",
    [
        {"Modality": "CT", "Rows": 4},
        {"Modality": "US", "Rows": 4, "BurnedInAnnotation": "NO"},
        {"Modality": "OT"},
        {"Rows": 4, "ImageType": ["DERIVED", "SECONDARY", "MPR"]},
        {"Rows": 4, "ImageType": ["DERIVED", "SECONDARY", "PROTON", "ADC"]},
        {
            "Rows": 4,
            "ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"],
            "BurnedInAnnotation": "NO",
        },
    ],
)
def test_an_object_without_doubt_passes(attributes: dict):
    after, result = process_dataset(ct_header(**attributes))

    assert result.findings == []
    assert after.get("BurnedInAnnotation") == attributes.get("BurnedInAnnotation")


ORDINARY = r"""
ORIGINAL\PRIMARY\AXIAL\CT_SOM5 SPI; ORIGINAL\PRIMARY\LOCALIZER\CT_SOM7 TOP
DERIVED\PRIMARY\MPR\CSA MPR; DERIVED\SECONDARY\OTHER\CSA MPR\\CSAPARALLEL
DERIVED\PRIMARY\AXIAL\CT_SOM8 SPI DUAL\E1\DET_AB; ORIGINAL\PRIMARY\M\ND\NORM
DERIVED\PRIMARY\DIFFUSION\ADC; ORIGINAL\PRIMARY\PROTON_DENSITY\NONE
DERIVED\SECONDARY\PROTON; ORIGINAL\PRIMARY\M_FFE\M\FFE; DERIVED\PRIMARY\PROJECTION IMAGE
ORIGINAL\PRIMARY\SCREENING; DERIVED\PRIMARY\TOMO_SCREENING; ORIGINAL\PRIMARY\LOW_DOSE
DERIVED\PRIMARY\AXIAL\LOWDOSE; DERIVED\SECONDARY\REFORMATTED\AVERAGE; DERIVED\PRIMARY\FILTERED
ORIGINAL\PRIMARY\STATIC\FDG DOSE 300; DERIVED\SECONDARY\PROCESSED; ORIGINAL\PRIMARY\CAPTUREX
DERIVED\SECONDARY\VOLREN\PROTECTED; ORIGINAL\PRIMARY\SNAPSHOT PULSE; DERIVED\PRIMARY\TEXTURE
"""
SCREENS = r"""
DERIVED\SECONDARY\SCREEN SAVE; DERIVED\SECONDARY\SCREENSHOT; DERIVED\SECONDARY\SCREEN_CAPTURE
ORIGINAL\SECONDARY\OTHER\CT_SOM5 PROT; ORIGINAL\SECONDARY\OTHER\CT_SOM7 PROT\
DERIVED\SECONDARY\PATIENT PROTOCOL; DERIVED\SECONDARY\DOSE; DERIVED\SECONDARY\DOSE REPORT
DERIVED\SECONDARY\DOSE SUMMARY; DERIVED\PRIMARY\DOSE_INFO; DERIVED\SECONDARY\EXAM_INFO
DERIVED\SECONDARY\OTHER\CSA REPORT; DERIVED\SECONDARY\CAPTURE; DERIVED\SECONDARY\HARDCOPY
DERIVED\SECONDARY\WORKSHEET; DERIVED\SECONDARY\SNAPSHOT; derived\secondary\dose \x
"""


def types(text: str) -> list[str]:
    return [part.strip() for line in text.strip().splitlines() for part in line.split(";")]


def doubt(**changes: object) -> object:
    attributes = {"modality": "CT", "image_type": "", "conversion_type": "", **changes}
    return suspicion(
        sop_class_uid=STORAGE + "2",
        transfer_syntax_uid=EXPLICIT,
        burned_in_annotation="",
        overlay_in_pixels=False,
        image=True,
        **attributes,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("image_type", types(ORDINARY))
def test_ordinary_images_are_not_in_doubt(image_type: str):
    assert doubt(image_type=image_type) is None


@pytest.mark.parametrize("image_type", types(SCREENS))
def test_screens_are_in_doubt_by_the_type_of_image(image_type: str):
    assert doubt(image_type=image_type)


@pytest.mark.parametrize("code", ["DV", "DF ", "SD", "SI", "DRW", "di", "WSD", "SYN", ""])
def test_pictures_of_pictures_are_in_doubt(code: str):
    assert bool(doubt(conversion_type=code)) == (code.strip() in ("DV", "DF", "SD", "SI", "DRW"))


TRANSFER_SYNTAXES = {
    uid: name for uid, (name, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax"
}


@pytest.mark.parametrize("uid", TRANSFER_SYNTAXES)
def test_a_video_is_in_doubt_whatever_it_says(uid: str):
    name = TRANSFER_SYNTAXES[uid]
    video = any(word in name for word in ("MPEG", "HEVC", "SMPTE"))
    found = suspicion(
        sop_class_uid=STORAGE + "12.1",
        transfer_syntax_uid=uid,
        modality="XA",
        image_type="",
        conversion_type="",
        burned_in_annotation="NO",
        overlay_in_pixels=False,
        image=True,
    )

    assert bool(found) is video, name


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.102.1"])
def test_an_object_with_a_video_is_held(uid: str):
    _, result = process(encode(ct_header(BurnedInAnnotation="NO", Rows=4)), uid)

    assert [item.kind for item in result.findings] == [FindingKind.BURNED_IN]


@pytest.mark.parametrize(
    ("sop_class", "modality"),
    [
        ("1.2.840.10008.5.1.1.27", ""),
        ("1.2.840.10008.5.1.1.29", "HC"),
        ("1.2.840.10008.5.1.1.30", ""),
        (STORAGE + "2", "HC"),
        (STORAGE + "6.2", ""),
    ],
)
def test_films_and_volumes_of_ultrasound_are_in_doubt(sop_class: str, modality: str):
    _, result = process_dataset(ct_header(SOPClassUID=sop_class, Modality=modality, Rows=4))

    assert [item.kind for item in result.findings] == [FindingKind.BURNED_IN]


def test_pixel_data_is_an_image_although_the_header_tells_no_size():
    dataset = ct_header(Modality="US")
    dataset.add_new(0x7FE00010, "OB", bytes(4))

    _, result = process_dataset(dataset)

    assert [item.kind for item in result.findings] == [FindingKind.BURNED_IN]


def test_an_overlay_in_the_bits_of_the_pixels_is_in_doubt():
    dataset = ct_header(Rows=4, BurnedInAnnotation="NO")
    dataset.add_new(0x60000100, "US", 16)
    dataset.add_new(0x60000102, "US", 12)

    _, result = process_dataset(dataset)

    assert [item.kind for item in result.findings] == [FindingKind.BURNED_IN]


@pytest.mark.parametrize("policy", BurnedInPolicy)
def test_a_document_that_names_the_patient_never_passes(policy: BurnedInPolicy):
    document = b"<ClinicalDocument>Frau Schmidt</ClinicalDocument> "
    dataset = ct_header(SOPClassUID=STORAGE + "104.2", EncapsulatedDocument=document)

    data, result = process(encode(dataset), under=profile(burned_in=policy))

    assert result.excluded or FindingKind.PATIENT_NAME in {i.kind for i in result.findings}
    assert (b"Schmidt" in data) is not bool(result.excluded)


def test_icons_go_with_their_pixels_native_or_in_fragments():
    icon = Dataset()
    icon.Rows = icon.Columns = 2
    dataset = ct_header(IconImageSequence=Sequence([icon]))
    plain = encode(dataset)
    fragments = (
        EXPLICIT_LITTLE.short.pack(0x7FE0, 0x0010, b"OB", 0)
        + b"\xff\xff\xff\xff"
        + b"\xfe\xff\x00\xe0\x00\x00\x00\x00"
        + b"\xfe\xff\x00\xe0\x08\x00\x00\x00SCHMIDT "
        + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    )
    item = b"\xfe\xff\x00\xe0" + len(fragments).to_bytes(4, "little") + fragments
    icons = EXPLICIT_LITTLE.short.pack(0x0088, 0x0200, b"SQ", 0) + len(item).to_bytes(4, "little")
    elsewhere = EXPLICIT_LITTLE.short.pack(0x3006, 0x0039, b"SQ", 0)
    elsewhere += len(item).to_bytes(4, "little")

    for data in (plain, plain + icons + item, plain + elsewhere + item):
        after, result = process(data)

        assert b"SCHMIDT" not in after
        assert "IconImageSequence" not in decode(after)
        assert result.findings == []


def test_the_gate_holds_what_breaks_a_rule():
    rules = OutgoingRules.of(profile(), "S1")
    good = {0x00100010: (b"PN", b"S1"), 0x00100020: (b"LO", b"S1"), 0x00120062: (b"CS", b"YES")}
    gate = LeakGate(rules=rules)

    def kinds(elements: dict[int, tuple[bytes, bytes]]) -> set[str]:
        data = b"".join(
            encode_element(EXPLICIT_LITTLE, tag, vr, value)
            for tag, (vr, value) in sorted(elements.items())
        )
        found = gate.check(b"", data, EXPLICIT_LITTLE, whole=True)
        return {str(item) for item in found}

    assert kinds(good) == set()
    assert kinds({**good, 0x00100020: (b"LO", b"4711")}) == {
        "rule_violation in (0010,0020) PatientID"
    }
    assert kinds({**good, 0x00091010: (b"LO", b"x")}) == {"rule_violation in (0009,1010)"}
    assert len(kinds({**good, 0x60003000: (b"OW", b"xx")})) == 1
    assert len(kinds({**good, 0x00101040: (b"LO", b"somewhere")})) == 1
    del good[0x00120062]
    assert len(kinds(good)) == 1


def test_the_preview_shows_each_element_before_and_after_and_why():
    item = Dataset()
    item.ReferencedSOPInstanceUID = "1.2.3.4.5.6.7"
    dataset = ct_header(
        StudyDescription="CT " + "x" * 250,
        PatientComments="something",
        ReferencedImageSequence=Sequence([item]),
        Modality="US",
        Rows=4,
    )
    under = profile(Option.CLEAN_DESCRIPTORS)
    assignment = Assignment(pseudonym="S1")

    shown = preview(under, assignment, io.BytesIO(encode(dataset)), EXPLICIT)

    by_path = {row.path: row for row in shown.rows}
    assert by_path["PatientName"].before == "Schmidt^Hannelore"
    assert by_path["PatientName"].after == "S1"
    assert len(by_path["StudyDescription"].before) == 200
    assert by_path["StudyDescription"].rule == "Clean Descriptors"
    assert by_path["PatientComments"].after == ""
    reference = by_path["ReferencedImageSequence[0].ReferencedSOPInstanceUID"]
    assert (reference.depth, reference.rule) == (1, "PS3.15 Basic Profile: U")
    assert by_path["PatientIdentityRemoved"].action == "write"
    assert [str(item) for item in shown.findings] == ["burned_in in (7FE0,0010) PixelData"]
    depth_0 = [row.tag for row in shown.rows if row.depth == 0]
    assert depth_0 == sorted(depth_0)


@pytest.mark.parametrize("under", [profile(), profile(Option.RETAIN_SAFE_PRIVATE)])
def test_the_preview_is_what_the_transfer_does(under):
    block = (dataset := ct_header(Manufacturer="Maker")).private_block(
        0x19, "GEMS_ACQU_01", create=True
    )
    block.add_new(0x23, "DS", "1.5")
    after, _ = process_dataset(dataset, under=under, assignment=Assignment(pseudonym="S1"))

    shown = preview(under, Assignment(pseudonym="S1"), io.BytesIO(encode(dataset)), EXPLICIT)

    kept = {row.tag for row in shown.rows if row.action != "remove"}
    assert kept == {f"({element.tag.group:04X},{element.tag.element:04X})" for element in after}


def test_an_excluded_object_has_no_preview():
    under = profile(burned_in=BurnedInPolicy.EXCLUDE, excluded_modalities=frozenset({"SR"}))

    for modality in ("US", "SR"):
        data = encode(ct_header(Modality=modality, Rows=4))
        shown = preview(under, Assignment(pseudonym="S1"), io.BytesIO(data), EXPLICIT)

        assert shown.excluded and not shown.rows


def test_the_attribute_table_says_what_happens_to_free_text():
    rows = {row.keyword: row for row in attribute_table(profile(Option.CLEAN_DESCRIPTORS))}

    assert rows["StudyDescription"].action == "clean"
    assert rows["PatientComments"].action == "remove"
    assert "no rule can check" in rows["PatientComments"].in_words
    assert rows["PatientName"].action == "pseudonym"
