"""What users are told: each failure in words, and what helps."""

import pickle
import ssl

import pytest

from adit.core.dicom import PermanentDicomError, TransientDicomError
from adit.core.dicom.errors import from_dimse_status, from_exception

SERVICES = ["C-ECHO", "C-FIND", "C-GET", "C-MOVE", "C-STORE", "N-ACTION"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("status", [0x0110, 0xFE00, 0xC001, 0x1234])
def test_a_status_that_says_little_has_an_advice(service, status):
    assert from_dimse_status("PACS", service, status).advice


@pytest.mark.parametrize(
    "code",
    ["aborted 0/0", "aborted", "released", "broken", "timeout", "no progress", "incomplete",
     "nothing", "protocol"],
)  # fmt: skip
def test_a_code_that_says_little_has_an_advice(code):
    error = TransientDicomError("PACS did something.", code=code)
    assert error.advice
    assert str(error) == f"PACS did something. [{code}] {error.advice}"
    assert pickle.loads(pickle.dumps(error)).advice == error.advice


def test_an_advice_of_its_own_is_kept():
    assert TransientDicomError("It broke.", code="broken", advice="Do that.").advice == "Do that."
    assert TransientDicomError("It broke.", code="something new").advice == ""


@pytest.mark.parametrize(
    ("verify_code", "says"),
    [(20, "not signed by an authority that we trust"), (18, "not signed by an authority"),
     (23, "is revoked"), (24, "signed with a certificate that is no authority's"),
     (67, "too weak"), (99, "is not accepted (error 99 of OpenSSL)")],
)  # fmt: skip
def test_a_certificate_that_is_not_accepted_is_told_with_the_reason(verify_code, says):
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_code = verify_code
    error = from_exception("PACS", cause)
    assert isinstance(error, PermanentDicomError)
    assert says in error.message and error.advice


def test_a_move_whose_destination_lets_nobody_in_is_no_lack_of_resources():
    error = from_dimse_status("PACS", "C-MOVE", 0xA702)
    assert isinstance(error, TransientDicomError)
    assert "PACS could not send to the destination. [A702]" in str(error)
    assert "let in there under the AE title" in error.advice
