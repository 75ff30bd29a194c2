"""Own rules win over the table and the options; the leak gate stays in force."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from adit.core.deid import (
    Assignment,
    DeviceRegion,
    FindingKind,
    Option,
    OwnRule,
    RuleAction,
    SafePrivate,
)
from adit.core.deid.tests.objects import (
    ct_header,
    process_dataset,
    profile,
)


def rule(tag: str, action: RuleAction, value: str = "", creator: str = "", vr: str = "") -> OwnRule:
    return OwnRule(
        tag=tag, action=action, value=value, reason="Test", private_creator=creator, vr=vr
    )


def under(*rules: OwnRule, options: tuple[Option, ...] = ()):
    return profile(*options, own_rules=rules)


def after(dataset: Dataset, *rules: OwnRule) -> Dataset:
    return process_dataset(dataset, under=under(*rules))[0]


def test_an_attribute_that_the_table_removes_can_be_kept_at_all_levels():
    item = Dataset()
    item.StudyDescription = "Thorax"
    dataset = ct_header(StudyDescription="Thorax", ReferencedImageSequence=Sequence([item]))

    done = after(dataset, rule("StudyDescription", RuleAction.KEEP))

    assert done.StudyDescription == done.ReferencedImageSequence[0].StudyDescription == "Thorax"


def test_a_kept_attribute_that_identifies_is_held():
    dataset = ct_header(StudyDescription="Frau Schmidt", PatientBirthDate="19700312")
    rules = (rule("StudyDescription", RuleAction.KEEP), rule("PatientBirthDate", RuleAction.KEEP))

    _, result = process_dataset(dataset, under=under(*rules))

    kinds = {item.kind for item in result.findings}
    assert kinds == {FindingKind.PATIENT_NAME, FindingKind.BIRTH_DATE}


@pytest.mark.parametrize(
    ("tag", "action", "value", "expected"),
    [
        ("Manufacturer", RuleAction.REMOVE, "", None),
        ("Manufacturer", RuleAction.EMPTY, "", ""),
        ("00080070", RuleAction.REPLACE, "Größe", "Größe"),
        ("RepresentativeFrameNumber", RuleAction.REPLACE, "7", 7),
        ("StudyDate", RuleAction.REPLACE, "20000101", "20000101"),
        ("Manufacturer", RuleAction.CLEAN, "", "Maker"),
    ],
)
def test_each_action_does_what_it_says(tag: str, action: RuleAction, value: str, expected: object):
    dataset = ct_header(
        SpecificCharacterSet="ISO_IR 100",
        Manufacturer="Maker Schmidt",
        RepresentativeFrameNumber=3,
        StudyDate="20240101",
    )
    keyword = "Manufacturer" if tag == "00080070" else tag

    assert after(dataset, rule(tag, action, value)).get(keyword) == expected


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StationName", "CT1"),
        ("StudyDate", "20240101"),
        ("StudyTime", "101112"),
        ("PatientAge", "045Y"),
        ("SeriesNumber", "4"),
        ("SliceThickness", "1.5"),
        ("FrameOfReferenceUID", "1.2.3.4.5.6"),
        ("ImageType", ["ORIGINAL", "PRIMARY"]),
        ("RetrieveURL", "https://example.org/x"),
        ("RepresentativeFrameNumber", 4),
        ("ICCProfile", b"abcd"),
        ("AcquisitionDateTime", "20240101101112"),
        ("OperatorsName", "Weber^Otto"),
    ],
)
def test_a_keyed_replacement_fits_the_vr_and_is_the_same_each_time(keyword: str, value: object):
    dataset = ct_header(**{keyword: value})
    one = after(dataset, rule(keyword, RuleAction.HASH))
    two = after(dataset, rule(keyword, RuleAction.HASH))

    assert one[keyword].value == two[keyword].value != dataset[keyword].value
    assert one[keyword].VM == dataset[keyword].VM


def test_private_elements_are_found_by_creator_wherever_their_block_lies():
    dataset = ct_header()
    dataset.add_new(0x00190011, "LO", "OTHER")
    dataset.add_new(0x00191123, "LO", "gone")
    dataset.add_new(0x00190042, "LO", "MAKER")
    dataset.add_new(0x00194223, "LO", "stays")
    dataset.add_new(0x00194224, "LO", "gone")

    done = after(dataset, rule("00190023", RuleAction.KEEP, creator="MAKER", vr="LO"))

    assert [(int(e.tag), e.value) for e in done if e.tag.is_private] == [
        (0x00190042, "MAKER"),
        (0x00194223, "stays"),
    ]


def test_private_elements_that_users_add_stay_and_lose_identifiers():
    dataset = ct_header()
    block = dataset.private_block(0x0019, "MAKER", create=True)
    block.add_new(1, "LO", "Kernel Schmidt")
    block.add_new(2, "UI", "1.2.3.4.5.6")
    block.add_new(3, "LO", "not on the list")
    entries = tuple(
        SafePrivate(creator="MAKER", group=0x19, element=n, vr=vr)
        for n, vr in ((1, "LO"), (2, "UI"))
    )

    done, result = process_dataset(
        dataset, under=profile(Option.RETAIN_SAFE_PRIVATE, safe_private=entries)
    )

    assert done[0x00191001].value.strip() == "Kernel"
    assert done[0x00191002].value.startswith("2.25.")
    assert 0x00191003 not in done
    assert result.findings == []


@pytest.mark.parametrize(
    "kept",
    [
        rule("AcquisitionDate", RuleAction.KEEP),
        rule("AcquisitionDateTime", RuleAction.KEEP),
        rule("00190001", RuleAction.KEEP, creator="MAKER", vr="DA"),
    ],
)
def test_no_rule_keeps_a_date_while_all_others_are_moved(kept: OwnRule):
    with pytest.raises(ValueError, match="tell by how much"):
        under(kept, options=(Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,))
    assert under(kept).own_rules == (kept,)


def test_a_date_that_a_rule_keeps_is_not_held_where_no_dates_are_moved():
    rules = (rule("AcquisitionDate", RuleAction.KEEP),)
    dataset = ct_header(StudyDate="20181130", AcquisitionDate="20181130")

    done, result = process_dataset(dataset, under=under(*rules))

    assert (done.AcquisitionDate, result.findings) == ("20181130", [])


@pytest.mark.parametrize("pseudonym", ["S1", "Ś1", "患1"])
@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
def test_equal_values_are_replaced_alike_in_every_character_set(pseudonym: str, charset: str):
    dataset = ct_header(SpecificCharacterSet=charset, InstitutionName="Charité")

    done, _ = process_dataset(
        dataset,
        under=under(rule("InstitutionName", RuleAction.HASH)),
        assignment=Assignment(pseudonym=pseudonym),
    )

    same = after(
        ct_header(InstitutionName="Charité", SpecificCharacterSet="ISO_IR 192"),
        rule("InstitutionName", RuleAction.HASH),
    )
    assert done.InstitutionName == same.InstitutionName


@pytest.mark.parametrize("charset", ["ISO_IR 100", None, "ISO_IR 144"])
def test_a_value_beyond_the_character_set_is_written_in_utf_8(charset: str | None):
    item = Dataset()
    item.SpecificCharacterSet, item.Manufacturer = "ISO_IR 100", "x"
    dataset = ct_header(Manufacturer="x", ReferencedImageSequence=Sequence([item]))
    if charset:
        dataset.SpecificCharacterSet = charset

    done = after(dataset, rule("Manufacturer", RuleAction.REPLACE, "Проект 患"))

    nested = done.ReferencedImageSequence[0]
    assert done.Manufacturer == nested.Manufacturer == "Проект 患"
    assert done.SpecificCharacterSet == nested.SpecificCharacterSet == "ISO_IR 192"


def test_ages_over_89_are_told_by_no_rule():
    rules = (rule("PatientAge", RuleAction.KEEP), rule("PatientBirthDate", RuleAction.CLEAN))
    dates = (Option.RETAIN_LONGITUDINAL_MODIFIED_DATES,)
    dataset = ct_header(StudyDate="20190412", PatientBirthDate="19200723", PatientAge="098Y")

    done, result = process_dataset(dataset, under=under(*rules, options=dates))

    assert (done.PatientAge, done.PatientBirthDate, result.findings) == ("090Y", "", [])


def test_a_creator_goes_with_the_last_of_its_block():
    dataset = ct_header()
    dataset.private_block(0x0019, "GEMS_ACQU_01", create=True).add_new(0x99, "LO", "unsafe")

    done, result = process_dataset(dataset, under=profile(Option.RETAIN_SAFE_PRIVATE))

    assert not [element for element in done if element.tag.is_private]
    assert result.unknown == {"(0019) GEMS_ACQU_01": 1}


def test_a_creator_that_names_the_patient_is_not_repeated():
    dataset = ct_header()
    dataset.private_block(0x0019, "Hannelore Schmidt", create=True).add_new(1, "LO", "x")
    dataset.add_new(0x00080999, "LO", "x")

    _, result = process_dataset(dataset)

    assert result.unknown == {"(0019) creator not shown": 1, "(0008,0999)": 1}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tag": "Nonsense"}, "tag"),
        ({"tag": "PatientName"}, "tag"),
        ({"tag": "7FE00010"}, "tag"),
        ({"action": "burn"}, "action"),
        ({"reason": " "}, "reason"),
        ({"value": "x"}, "value"),
        ({"tag": "RepresentativeFrameNumber", "action": "replace", "value": "x"}, "value"),
        ({"tag": "StudyDate", "action": "replace", "value": "31.12.1960"}, "value"),
        ({"tag": "ReferencedImageSequence", "action": "hash"}, "action"),
        ({"private_creator": "MAKER"}, "tag"),
        ({"vr": "LO"}, "vr"),
        ({"tag": None}, "tag"),
    ],
)
def test_a_bad_rule_is_refused_in_a_sentence_that_names_the_field(changes: dict, field: str):
    data = {"tag": "StudyDescription", "action": "keep", "reason": "Test", **changes}

    with pytest.raises(ValueError, match=f"^{field}: .*\\.$"):
        OwnRule.from_json(data)


def test_rules_lists_and_regions_survive_json():
    own = rule("00190023", RuleAction.KEEP, creator="MAKER", vr="LO")
    entry = SafePrivate(creator="MAKER", group=0x19, element=1, vr="LO", note="Kernel")
    region = DeviceRegion(
        manufacturer="A*", model="*", rows=4, columns=4, boxes=((0, 0, 1, 1),), modality="US"
    )

    assert OwnRule.from_json(own.to_json()) == own
    assert SafePrivate.from_json(entry.to_json()) == entry
    assert DeviceRegion.from_json(region.to_json()) == region


@pytest.mark.parametrize(
    ("cls", "data", "field"),
    [
        (SafePrivate, {"creator": "A", "group": 8, "element": 1, "vr": "LO"}, "group"),
        (SafePrivate, {"creator": "A", "group": 9, "element": 256, "vr": "LO"}, "element"),
        (SafePrivate, {"creator": "", "group": 9, "element": 1, "vr": "LO"}, "creator"),
        (SafePrivate, {"creator": "A", "group": 9, "element": 1, "vr": "XX"}, "vr"),
        (SafePrivate, {"creator": "A", "group": 9, "element": 1, "vr": "UN"}, "vr"),
        (SafePrivate, {"creator": "A", "group": 9, "element": 1}, "vr"),
        (DeviceRegion, {"manufacturer": "A", "model": "*", "rows": 4, "columns": 4}, "boxes"),
        (
            DeviceRegion,
            {"manufacturer": "A", "model": "*", "rows": 0, "columns": 4, "boxes": [[0, 0, 1, 1]]},
            "rows",
        ),
        (
            DeviceRegion,
            {"manufacturer": "A", "model": "*", "rows": 4, "columns": 4, "boxes": [[1, 0, 1, 1]]},
            "boxes",
        ),
    ],
)
def test_bad_entries_are_refused_in_a_sentence_that_names_the_field(cls, data: dict, field: str):
    with pytest.raises(ValueError, match=f"^{field}: .*\\.$"):
        cls.from_json(data)


@pytest.mark.parametrize("action", ["remove", "empty", "replace", "hash", "clean"])
@pytest.mark.parametrize(
    "tag", ["Rows", "BitsAllocated", "PhotometricInterpretation", "NumberOfFrames", "00280011"]
)
def test_no_rule_makes_an_image_unreadable(tag: str, action: str):
    data = {
        "tag": tag,
        "action": action,
        "value": "1" if action == "replace" else "",
        "reason": "x",
    }
    with pytest.raises(ValueError, match="no program can read the object"):
        OwnRule.from_json(data)
    OwnRule.from_json({"tag": tag, "action": "keep", "reason": "x"})


def test_the_items_of_functional_groups_may_be_cleaned_but_not_removed():
    rule = {"tag": "PerFrameFunctionalGroupsSequence", "reason": "x"}
    OwnRule.from_json({**rule, "action": "clean"})
    with pytest.raises(ValueError, match="no program can read the object"):
        OwnRule.from_json({**rule, "action": "remove"})
