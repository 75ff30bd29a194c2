"""Every real file of pydicom and pydicom-data on every way in and out, byte for byte.

`corpus_exceptions.txt` lists what cannot pass: file, way and reason. What is listed and passes
fails, too.
"""

from pathlib import Path

import pytest

from adit.core.dicom import (
    DicomError,
    DicomOperator,
    RetrieveProtocol,
    ServerConfig,
    StoreProtocol,
)
from adit.core.dicom.tests.conftest import RECEIVER_AE_TITLE
from adit.core.dicom.tests.corpus import corpus, left_out, rounds, sacred
from adit.core.dicom.tests.samples import content
from adit.test_pacs import PacsDouble

pytestmark = [pytest.mark.integration, pytest.mark.interop]

LIST = Path(__file__).with_name("corpus_exceptions.txt")
WAYS = [
    ("C-STORE", "C-GET"),
    ("C-STORE", "C-MOVE"),
    ("C-STORE", "WADO-RS"),
    ("STOW-RS", "WADO-RS"),
]
# What lies among the files and is no valid instance of a study (PS3.3 A.1, PS3.10 7.1).
NO_INSTANCES = {
    **dict.fromkeys(
        [
            "OT-PAL-8-face.dcm",
            "ExplVR_BigEndNoMeta.dcm",
            "ExplVR_LitEndNoMeta.dcm",
            "crayons.icc",
            "README",
            "empty_charset_LEI.dcm",
            "meta_missing_tsyntax.dcm",
            "nested_priv_SQ.dcm",
            "no_meta.dcm",
            "rtplan.dump",
            "rtstruct.dcm",
            "rtstruct.dump",
        ],
        "no DICOM file",
    ),
    **dict.fromkeys(
        [
            "JPEGLSNearLossless_08.dcm",
            "JPEGLSNearLossless_16.dcm",
            "SC_rgb_jls_lossy_line.dcm",
            "SC_rgb_jls_lossy_sample.dcm",
        ],
        "of no study",
    ),
    **dict.fromkeys(
        [
            "UN_sequence.dcm",
            "chrSQEncoding.dcm",
            "chrSQEncoding1.dcm",
            "DICOMDIR",
            "DICOMDIR-bigEnd",
            "DICOMDIR-empty.dcm",
            "DICOMDIR-implicit",
            "DICOMDIR-nooffset",
            "DICOMDIR-nopatient",
            "DICOMDIR-reordered",
            "no_meta_group_length.dcm",
            "priv_SQ.dcm",
        ],
        "no instance",
    ),
    **dict.fromkeys(
        ["MR_truncated.dcm", "rtplan_truncated.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"],
        "truncated",
    ),
    "SC_rgb_jpeg.dcm": "not encoded as it says",
}


def listed(way):
    """The reasons of the files that are excepted on a way: its name, or `*`."""
    found = {}
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            ways, name, reason = line.split(maxsplit=2)
            if ways in ("*", way):
                found[name] = reason
    return found


def test_the_corpus_is_large_and_diverse_and_lacks_only_what_is_no_instance():
    files = corpus()
    assert len(files) >= 220
    assert len({file.name for file in files}) == len(files)
    assert len({file.instance.transfer_syntax_uid for file in files}) >= 9
    assert len({file.instance.sop_class_uid for file in files}) >= 12
    assert left_out() == NO_INSTANCES


def test_each_exception_is_of_a_way_and_a_file_and_has_a_reason():
    names = {file.name for file in corpus()}
    ways = {"*", *(f"{store}+{retrieve}" for store, retrieve in WAYS)}
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            way, name, reason = line.split(maxsplit=2)
            assert way in ways and name in names and len(reason) > 10, line


def difference(sent, got):
    """What changed on the way, or ""."""
    if sent.read() == got.read():
        return ""
    if sent.transfer_syntax_uid != got.transfer_syntax_uid:
        return f"it came as {got.transfer_syntax_uid}"
    before, after = sacred(sent), sacred(got)
    if before != after:
        places = sorted({place for place, _ in set(before) ^ set(after)})
        return f"pixel data or private elements changed: {places}"
    return "" if content(sent) == content(got) else "an element changed"


def there_and_back(operator, files, store, retrieve):
    """What went wrong, by file name."""
    failures = {}
    outcomes = operator.store([f.instance for f in files], protocol=StoreProtocol(store))
    for file, outcome in zip(files, outcomes, strict=True):
        if not outcome.accepted:
            failures[file.name] = str(outcome.error)
        elif outcome.transcoded_to:
            failures[file.name] = outcome.warning
    for file in files:
        if file.name not in failures and (why := back(operator, file, retrieve)):
            failures[file.name] = why
    return failures


def back(operator, file, retrieve):
    """What went wrong when the file was fetched, or ""."""
    of = file.instance.identifiers()
    try:
        got = list(
            operator.fetch(
                patient_id=of.patient_id,
                study_instance_uid=of.study_instance_uid,
                series={of.series_instance_uid: {of.sop_instance_uid}},
                protocol=RetrieveProtocol(retrieve),
                sop_classes=[file.instance.sop_class_uid],
            )
        )
    except DicomError as error:
        return str(error)
    return difference(file.instance, got[0]) if len(got) == 1 else f"{len(got)} came"


@pytest.mark.parametrize(("store", "retrieve"), WAYS)
def test_every_file_arrives_as_it_is(orthanc, server, local, incoming, spill, store, retrieve):
    failures = {}
    for files in rounds(corpus()):
        orthanc.clear()
        with DicomOperator(server, local, incoming=incoming, spill_folder=spill) as operator:
            failures |= there_and_back(operator, files, store, retrieve)
    excepted = listed(f"{store}+{retrieve}")
    assert {name: why for name, why in failures.items() if name not in excepted} == {}
    assert set(excepted) <= set(failures), "these are listed, and pass"


def excepted_files():
    names = {name for store, retrieve in WAYS for name in listed(f"{store}+{retrieve}")}
    files = [file for file in corpus() if file.name in names]
    assert {file.name for file in files} == names
    return files


@pytest.mark.parametrize("retrieve", [RetrieveProtocol.WADO_RS, RetrieveProtocol.C_MOVE])
def test_what_orthanc_takes_in_only_by_hand_comes_from_it_as_it_is(
    orthanc, server, local, incoming, spill, retrieve
):
    """To answer a C-GET, Orthanc would have to find the UIDs that it does not find."""
    failures = {}
    with DicomOperator(server, local, incoming=incoming, spill_folder=spill) as operator:
        for file in excepted_files():
            # Two of them share their UID.
            orthanc.clear()
            content = file.instance.file_meta() + file.instance.read()
            orthanc.request("POST", "/instances", content)
            if why := back(operator, file, retrieve):
                failures[file.name] = why
    assert failures == {}


def test_what_orthanc_cannot_read_passes_where_the_server_can(receiver_port, local, incoming):
    """The exceptions are those of Orthanc: by C-STORE to another server they pass, and back."""
    peers = {RECEIVER_AE_TITLE: ("127.0.0.1", receiver_port)}
    failures = {}
    with PacsDouble("DOUBLE", peers=peers) as pacs:
        config = ServerConfig(
            name="DOUBLE",
            ae_title="DOUBLE",
            host="127.0.0.1",
            port=pacs.port,
            study_root_find_support=True,
            study_root_get_support=True,
            study_root_move_support=True,
            store_scp_support=True,
        )
        with DicomOperator(config, local, incoming=incoming) as operator:
            for file in excepted_files():
                (outcome,) = operator.store([file.instance])
                assert outcome.accepted, outcome.error
                for retrieve in (RetrieveProtocol.C_GET, RetrieveProtocol.C_MOVE):
                    if why := back(operator, file, retrieve):
                        failures[file.name, retrieve] = why
    assert failures == {}
