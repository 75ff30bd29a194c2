"""Every real file of pydicom and pydicom-data on every way in and out, byte for byte.

`corpus_exceptions.txt` lists what cannot pass, and why; what is listed and passes fails, too.
"""

from pathlib import Path

import pytest

from adit.core.dicom import DicomOperator, RetrieveProtocol, StoreProtocol
from adit.core.dicom.tests.samples import content, real_files, real_instances

pytestmark = [pytest.mark.integration, pytest.mark.interop]

LIST = Path(__file__).with_name("corpus_exceptions.txt")
WAYS = [
    ("C-STORE", "C-GET"),
    ("C-STORE", "C-MOVE"),
    ("C-STORE", "WADO-RS"),
    ("STOW-RS", "WADO-RS"),
]


def listed(way):
    """SOP Instance UIDs that are excepted on a way: its name, or `*`."""
    found = {}
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            ways, uid, reason = line.split(maxsplit=2)
            assert reason
            if ways in ("*", way):
                found[uid] = reason
    return found


def test_the_corpus_is_large_and_diverse():
    instances = list(real_instances())
    assert len(real_files()) >= 200
    assert len({i.transfer_syntax_uid for i in instances}) >= 9
    assert len({i.sop_class_uid for i in instances}) >= 12


@pytest.mark.parametrize(("store", "retrieve"), WAYS)
def test_every_file_arrives_as_it_is(server, local, incoming, spill, store, retrieve):
    instances = {i.sop_instance_uid: i for i in real_instances()}
    failures = {}
    with DicomOperator(server, local, incoming=incoming, spill_folder=spill) as operator:
        for outcome in operator.store(instances.values(), protocol=StoreProtocol(store)):
            uid = outcome.instance.sop_instance_uid
            if not outcome.accepted:
                failures[uid] = str(outcome.error)
            elif outcome.transcoded_to:
                failures[uid] = outcome.warning
        for uid, instance in instances.items():
            if uid in failures:
                continue
            of = instance.identifiers()
            try:
                got = list(
                    operator.fetch(
                        patient_id=of.patient_id,
                        study_instance_uid=of.study_instance_uid,
                        series={of.series_instance_uid: {uid}},
                        protocol=RetrieveProtocol(retrieve),
                        sop_classes=[instance.sop_class_uid],
                    )
                )
            except Exception as error:
                failures[uid] = repr(error)
                continue
            if len(got) != 1:
                failures[uid] = f"{len(got)} came"
            elif got[0].read() != instance.read() and content(got[0]) != content(instance):
                failures[uid] = "it came back otherwise"
    way = f"{store}+{retrieve}"
    excepted = listed(way)
    unlisted = {uid: why for uid, why in failures.items() if uid not in excepted}
    assert unlisted == {}, way
    assert set(excepted) & set(instances) <= set(failures), "these are listed, and pass now"
    assert set(excepted) <= set(instances), "these are listed, and not in the corpus"
