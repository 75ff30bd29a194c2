"""Single instances, fetched to be looked at."""

import time

import pytest

from adit.core.dicom import CancelToken, PermanentDicomError, TransientDicomError
from adit.core.models import DicomServer
from adit.core.transfer import association_slots
from adit.core.transfer.single import fetch_one, looking_at, within_time

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def ids_of(ds):
    uids = (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    return str(ds.PatientID), *map(str, uids)


@pytest.mark.parametrize("protocol", ["C-GET", "C-MOVE", "WADO-RS"])
def test_one_instance_comes_by_each_protocol(protocol, source, receiver, example_study, tmp_path):
    wado = protocol == "WADO-RS"
    DicomServer.objects.filter(pk=source.pk).update(
        dicomweb_wado_support=wado,
        patient_root_get_support=protocol == "C-GET",
        study_root_get_support=protocol == "C-GET",
        patient_root_move_support=protocol == "C-MOVE",
        study_root_move_support=protocol == "C-MOVE",
    )
    wanted = example_study.instances[3]
    with looking_at(DicomServer.objects.get(pk=source.pk)) as operator:
        instance = fetch_one(operator, *ids_of(wanted))
    assert instance.sop_instance_uid == wanted.SOPInstanceUID
    assert isinstance(instance.data, bytes)


def test_what_is_not_there_is_told(source, example_study):
    patient, study, series, _ = ids_of(example_study.instances[0])
    with looking_at(source) as operator, pytest.raises((PermanentDicomError, TransientDicomError)):
        fetch_one(operator, patient, study, series, "1.2.3.4")


def test_who_looks_takes_a_place_among_the_associations_of_the_server(
    double_source, pacs, example_study, monkeypatch
):
    DicomServer.objects.filter(pk=double_source.pk).update(max_associations=1)
    monkeypatch.setattr(association_slots, "_PAGE_PATIENCE_SECONDS", 0.5)
    wanted = ids_of(example_study.instances[0])
    with association_slots.AssociationSlots([double_source], CancelToken()) as transfer:
        transfer.reserve()
        with (
            looking_at(double_source) as operator,
            pytest.raises(TransientDicomError, match="All associations that .* are in use"),
        ):
            fetch_one(operator, *wanted)
    assert pacs.seen.associations == 0
    with looking_at(double_source) as operator:
        assert fetch_one(operator, *wanted).sop_instance_uid == wanted[3]
    # The place is given back with the association.
    with association_slots.AssociationSlots([double_source], CancelToken()) as transfer:
        transfer.reserve(on_wait=pytest.fail)


@pytest.mark.clock
def test_a_slow_source_is_given_up_in_time(double_source, pacs, example_study, settings):
    settings.LOOK_TIMEOUT_SECONDS = 1
    pacs.faults.delay = 8.0
    since = time.monotonic()
    with (
        pytest.raises(TransientDicomError, match="did not send the instance within 1 seconds"),
        within_time("DOUBLE") as cancel,
        looking_at(double_source, cancel) as operator,
    ):
        fetch_one(operator, *ids_of(example_study.instances[0]))
    assert time.monotonic() - since < 7
