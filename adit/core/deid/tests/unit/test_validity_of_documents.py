"""Reports, key objects and presentation states stay valid under every option."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from adit.core.deid import Option
from adit.core.deid.tests.documents import (
    as_file,
    key_objects,
    presentation_state,
    report_of_a_request,
)
from adit.core.deid.tests.objects import decode, part10, process, profile, sample
from adit.core.deid.tests.unit.test_validity import ASSIGNMENTS, OPTIONS, errors

SETS = {
    **OPTIONS,
    **{option.value: frozenset({option}) for option in Option},
}


@pytest.mark.parametrize("options", SETS.values(), ids=SETS)
@pytest.mark.parametrize("make", [report_of_a_request, key_objects, presentation_state])
def test_a_document_gets_no_error(
    make: Callable[[], Dataset], options: frozenset[Option], tmp_path: Path
):
    before, after = tmp_path / "before.dcm", tmp_path / "after.dcm"
    before.write_bytes(as_file(make()))
    data, syntax = sample(before)

    output, result = process(
        data, syntax, under=profile(*options), assignment=ASSIGNMENTS["standard"]
    )
    after.write_bytes(part10(output, syntax, result))

    assert errors(after) - errors(before) == set()


def _cleaned(make: Callable[[], Dataset], folder: Path, *options: Option) -> Dataset:
    path = folder / "before.dcm"
    path.write_bytes(as_file(make()))
    data, syntax = sample(path)
    return decode(process(data, syntax, under=profile(*options))[0], syntax)


def test_what_is_required_says_nothing(tmp_path: Path):
    state = _cleaned(presentation_state, tmp_path)
    report = _cleaned(report_of_a_request, tmp_path)

    assert state.PresentationCreationDate == "19000101"
    assert state.PresentationCreationTime == "000000"
    (request,) = report.ReferencedRequestSequence
    assert request["RequestedProcedureID"].is_empty
    assert request["ReferencedStudySequence"].is_empty


def test_the_dummy_of_an_annotation_is_in_a_layer_that_there_is(tmp_path: Path):
    state = _cleaned(presentation_state, tmp_path)

    (annotation,) = state.GraphicAnnotationSequence
    assert annotation.GraphicLayer == state.GraphicLayerSequence[0].GraphicLayer == "READER 1"
    (text,) = annotation.TextObjectSequence
    assert text.UnformattedTextValue == "Removed"
    assert text.AnchorPointVisibility == "N"
