"""What a log says of an exception."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable

import pytest
from django.conf import settings

from adit.core.dicom import PermanentDicomError
from adit.core.log_format import WithoutValues

NAME = "Verraeter"


def logged(fail: Callable[[], object]) -> str:
    try:
        fail()
    except Exception:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "It failed", (), sys.exc_info())
    else:
        pytest.fail("it did not fail")
    return WithoutValues("%(levelname)s: %(message)s").format(record)


def quote_the_value() -> None:
    int(NAME)


def open_the_folder() -> None:
    open(f"/nowhere/{NAME}")  # noqa: PTH123, SIM115


def wrap_it() -> None:
    try:
        quote_the_value()
    except ValueError as error:
        raise PermanentDicomError("The value cannot be read.") from error


def fail_in_a_group() -> None:
    raise ExceptionGroup(NAME, [KeyError(NAME), ValueError(NAME)])


@pytest.mark.parametrize("fail", [quote_the_value, open_the_folder, wrap_it, fail_in_a_group])
def test_no_exception_tells_the_value(fail: Callable[[], object]):
    text = logged(fail)

    assert NAME not in text
    assert "It failed" in text
    assert f"in {fail.__name__}" in text


def test_the_kinds_and_codes_of_the_whole_chain_are_told():
    assert "FileNotFoundError (errno 2)" in logged(open_the_folder)
    text = logged(wrap_it)
    assert text.index("ValueError") < text.index("PermanentDicomError: The value cannot be read.")
    assert "KeyError" in logged(fail_in_a_group)


def test_the_processes_use_it():
    assert settings.LOGGING["formatters"]["plain"]["class"].endswith("WithoutValues")
    assert any(isinstance(one.formatter, WithoutValues) for one in logging.getLogger().handlers)


_MALFORMED = """
import django
django.setup()
from pydicom import config
from pydicom.dataset import Dataset
config.settings.reading_validation_mode = config.WARN
print("ready")
ds = Dataset()
ds.add_new(0x00100030, "DA", "1.1.1960 Verraeter")
"""


def test_pydicom_quotes_no_value_to_the_output_of_a_process():
    done = subprocess.run(
        [sys.executable, "-c", _MALFORMED], capture_output=True, text=True, check=False
    )

    assert done.stdout == "ready\n"
    assert NAME not in done.stderr
