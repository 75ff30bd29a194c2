"""Contexts, commands, errors and policies: what is decided without a peer."""

import dataclasses
import pickle
import socket
import ssl

import httpx
import pytest

from adit.core.dicom import (
    LocalConfig,
    PermanentDicomError,
    QueryProtocol,
    RetrieveProtocol,
    ServerConfig,
    StoreProtocol,
    TransientDicomError,
)
from adit.core.dicom.contexts import (
    ALL_SYNTAXES,
    STORAGE_CLASSES,
    get_context_batches,
    storage_contexts,
)
from adit.core.dicom.dimse import commands
from adit.core.dicom.dimse.acse import encode_request
from adit.core.dicom.dimse.commands import Command, CommandError
from adit.core.dicom.dimse.connector import Scope
from adit.core.dicom.dimse.progress import RetrieveReport
from adit.core.dicom.errors import (
    from_dimse_status,
    from_exception,
    from_http_status,
    from_rejection,
)
from adit.core.dicom.policy import query_protocols, retrieve_protocols, store_protocols
from adit.core.dicom.tests.samples import CT, EXPLICIT, IMPLICIT, MR

MODEL = "1.2.840.10008.5.1.4.1.2.2.3"
ALL = ServerConfig(
    name="PACS",
    study_root_find_support=True,
    study_root_get_support=True,
    study_root_move_support=True,
    store_scp_support=True,
    dicomweb_root_url="http://pacs/dicom-web",
    dicomweb_qido_support=True,
    dicomweb_wado_support=True,
    dicomweb_stow_support=True,
)


def test_each_pair_of_class_and_syntax_has_a_context_of_its_own():
    contexts = storage_contexts([(CT, EXPLICIT), (CT, IMPLICIT), (MR, EXPLICIT), (CT, EXPLICIT)])
    assert [(c.abstract_syntax, c.transfer_syntaxes) for c in contexts] == [
        (CT, (EXPLICIT,)),
        (CT, (IMPLICIT,)),
        (MR, (EXPLICIT,)),
    ]


def test_known_classes_are_offered_with_every_syntax_in_one_association():
    (batch,) = get_context_batches(MODEL, [CT, MR])
    offered = {(c.abstract_syntax, c.transfer_syntaxes[0]) for c in batch if c.as_scp}
    assert offered == {(sop, syntax) for sop in (CT, MR) for syntax in ALL_SYNTAXES}
    assert {"1.2.840.10008.1.2.4.108", "1.2.840.10008.1.2.4.53"} <= set(ALL_SYNTAXES)


def test_what_the_server_tells_to_hold_is_offered_first():
    pairs = [(MR, "1.2.3.4"), (CT, "1.2.840.10008.1.2.4.108")]
    batch = get_context_batches(MODEL, [CT, MR], pairs)[0]
    first = [(c.abstract_syntax, c.transfer_syntaxes[0]) for c in batch[1:3]]
    assert sorted(first) == sorted(pairs)
    assert len(batch) == len(set(batch))


def test_further_associations_offer_all_syntaxes_of_many_classes():
    classes = sorted(STORAGE_CLASSES)[:10]
    batches = get_context_batches(MODEL, classes)
    offered = {(c.abstract_syntax, c.transfer_syntaxes[0]) for b in batches for c in b if c.as_scp}
    assert offered == {(sop, syntax) for sop in classes for syntax in ALL_SYNTAXES}


@pytest.mark.parametrize("count", [0, 1, 5, 21, 22, 60, 170])
def test_no_association_has_more_than_128_contexts(count):
    batches = get_context_batches(MODEL, sorted(STORAGE_CLASSES)[:count])
    assert all(len(batch) <= 128 for batch in batches)
    assert all(batch[0].abstract_syntax == MODEL for batch in batches)
    assert all(
        encode_request(
            calling_ae_title="ADIT", called_ae_title="MY_ PACS", contexts=batch, maximum_pdu=131072
        )
        for batch in batches
    )


def test_without_a_word_from_the_server_every_storage_class_is_offered():
    offered = {c.abstract_syntax for batch in get_context_batches(MODEL, ()) for c in batch}
    assert offered >= STORAGE_CLASSES


def test_a_command_is_read_as_it_was_written():
    request = Command(commands.store_request(7, CT, "1.2.3"))
    assert (request.field, request.message_id) == (commands.C_STORE_RQ, 7)
    assert (request.sop_class_uid, request.sop_instance_uid) == (CT, "1.2.3")
    assert request.has_data_set
    response = Command(commands.store_response(request, 0xA700))
    assert (response.status, response.responded_to) == (0xA700, 7)
    assert not response.has_data_set


@pytest.mark.parametrize("junk", [b"", b"\0\0", b"x" * 40])
def test_junk_is_no_command(junk):
    with pytest.raises(CommandError):
        Command(junk)


def test_only_unique_keys_stand_in_a_retrieve_request():
    scope = Scope(
        patient_id="P1",
        study_instance_uid="1",
        series_instance_uid="2",
        sop_instance_uids=("3", "4"),
    )
    assert scope.keys(patient_root=False) == {
        "QueryRetrieveLevel": "IMAGE",
        "StudyInstanceUID": "1",
        "SeriesInstanceUID": "2",
        "SOPInstanceUID": "3\\4",
    }
    assert scope.keys(patient_root=True)["PatientID"] == "P1"


def test_the_standard_order_of_protocols():
    assert query_protocols(ALL) == [QueryProtocol.C_FIND, QueryProtocol.QIDO_RS]
    assert retrieve_protocols(ALL, can_receive=True) == [
        RetrieveProtocol.WADO_RS,
        RetrieveProtocol.C_GET,
        RetrieveProtocol.C_MOVE,
    ]
    assert store_protocols(ALL) == [StoreProtocol.C_STORE, StoreProtocol.STOW_RS]


def test_the_preferred_protocol_leads_and_the_others_stay():
    server = dataclasses.replace(
        ALL,
        preferred_retrieve=RetrieveProtocol.C_MOVE,
        preferred_store=StoreProtocol.STOW_RS,
        preferred_query=QueryProtocol.QIDO_RS,
    )
    assert retrieve_protocols(server, can_receive=True)[0] == RetrieveProtocol.C_MOVE
    assert store_protocols(server) == [StoreProtocol.STOW_RS, StoreProtocol.C_STORE]
    assert query_protocols(server)[0] == QueryProtocol.QIDO_RS


def test_c_move_needs_a_receiver_and_dicomweb_an_address():
    assert RetrieveProtocol.C_MOVE not in retrieve_protocols(ALL, can_receive=False)
    server = dataclasses.replace(ALL, dicomweb_root_url="")
    assert RetrieveProtocol.WADO_RS not in retrieve_protocols(server, can_receive=True)


@pytest.mark.parametrize(
    ("service", "status", "kind"),
    [
        ("C-STORE", 0xA700, TransientDicomError),
        ("C-STORE", 0xA900, PermanentDicomError),
        ("C-STORE", 0xC123, PermanentDicomError),
        ("C-STORE", 0x0124, PermanentDicomError),
        ("C-MOVE", 0xA801, PermanentDicomError),
        ("C-MOVE", 0xC000, TransientDicomError),
        ("C-FIND", 0xA700, TransientDicomError),
        ("C-GET", 0xFE00, TransientDicomError),
        ("C-GET", 0x1234, TransientDicomError),
    ],
)
def test_dimse_statuses_are_sorted(service, status, kind):
    error = from_dimse_status("PACS", service, status)
    assert type(error) is kind
    assert error.code == f"{status:04X}"
    assert error.message.startswith("PACS ")


def test_out_of_resources_comes_with_advice():
    error = from_dimse_status("PACS", "C-STORE", 0xA700)
    assert str(error) == (
        "PACS has no space left. [A700] Ask the administrator of the server to make room."
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, PermanentDicomError),
        (404, PermanentDicomError),
        (408, TransientDicomError),
        (418, PermanentDicomError),
        (429, TransientDicomError),
        (501, PermanentDicomError),
        (503, TransientDicomError),
        (507, TransientDicomError),
    ],
)
def test_http_statuses_are_sorted(status, kind):
    assert type(from_http_status("PACS", status)) is kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [((1, 1, 3), PermanentDicomError), ((1, 1, 7), PermanentDicomError),
     ((2, 3, 2), TransientDicomError), ((1, 3, 1), TransientDicomError)],
)  # fmt: skip
def test_rejections_are_sorted(answer, kind):
    assert type(from_rejection("PACS", *answer)) is kind


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ConnectionRefusedError(), TransientDicomError, "unreachable"),
        (TimeoutError(), TransientDicomError, "timeout"),
        (ConnectionResetError(), TransientDicomError, "broken"),
        (socket.gaierror(-2, "unknown"), TransientDicomError, "host name"),
        (ssl.SSLCertVerificationError(), PermanentDicomError, "TLS certificate"),
        (ssl.SSLError(), PermanentDicomError, "TLS"),
        (ssl.SSLEOFError(), TransientDicomError, "broken"),
        (httpx.ReadTimeout("x"), TransientDicomError, "timeout"),
        (httpx.ConnectError("x"), TransientDicomError, "unreachable"),
        (httpx.RemoteProtocolError("x"), TransientDicomError, "broken"),
        (httpx.UnsupportedProtocol("x"), PermanentDicomError, "url"),
        (ValueError("x"), PermanentDicomError, "protocol"),
    ],
)
def test_exceptions_are_sorted(error, kind, code):
    result = from_exception("PACS", error)
    assert (type(result), result.code) == (kind, code)
    assert result.__cause__ is error


def test_an_error_survives_the_way_between_processes():
    error = from_dimse_status("PACS", "C-STORE", 0xA700)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, str(again)) == (type(error), "A700", str(error))


def test_success_although_some_failed_is_a_failure():
    assert RetrieveReport(status=0, completed=3).failure("PACS", "C-GET") is None
    error = RetrieveReport(status=0, completed=3, failed=1).failure("PACS", "C-GET")
    assert isinstance(error, TransientDicomError)


def test_the_authorization_is_not_shown():
    assert "secret" not in repr(ServerConfig(name="PACS", dicomweb_authorization="secret"))


def test_the_maximum_pdu_is_never_unlimited():
    assert LocalConfig().maximum_pdu == 131072
