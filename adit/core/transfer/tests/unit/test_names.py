from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adit.core.transfer.names import safe_name


@given(st.text(max_size=400))
def test_a_name_stays_one_component_below_its_folder(text):
    name = safe_name(text)
    assert name not in ("", ".", "..")
    assert PurePosixPath("root", name).parent == PurePosixPath("root")
    assert len(name.encode()) <= 130
    assert not set(name) & set('<>:"/\\|?*\x00')
    assert name[-1] not in ". "


@given(st.text(max_size=400))
def test_the_same_text_gives_the_same_name(text):
    assert safe_name(text) == safe_name(text)


@pytest.mark.parametrize("text", ["..", ".", "...", "", "   ", "\x00"])
def test_names_without_substance_get_the_fallback(text):
    assert safe_name(text, "unknown") == "unknown"


@pytest.mark.parametrize("text", ["CON", "con", "LPT1", "nul.txt"])
def test_reserved_device_names_are_defused(text):
    assert safe_name(text) == f"_{text}"


def test_long_names_that_differ_at_the_end_stay_different():
    assert safe_name("a" * 300) != safe_name("a" * 299 + "b")


def test_climbing_is_flattened():
    assert "/" not in safe_name("../../etc/passwd")


def test_umlauts_and_other_scripts_stay():
    assert safe_name("Schädel 山田") == "Schädel 山田"
