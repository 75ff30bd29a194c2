import pytest

from adit.core.models import DicomServer, SeriesTransfer
from adit.core.models.records import InstanceState, decode_records, encode_records
from adit.core.transfer.items import Delivered
from adit.core.transfer.server_destination import ServerDestination
from adit.test_pacs.comparison import compare_pseudonymised

pytestmark = [
    pytest.mark.integration,
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
]

PROTOCOLS = {
    "C-GET": {"preferred_retrieve": "C-GET"},
    "C-MOVE": {"preferred_retrieve": "C-MOVE"},
    "WADO-RS": {
        "preferred_retrieve": "WADO-RS",
        "dicomweb_wado_support": True,
        "dicomweb_qido_support": True,
    },
}


def records_of(task):
    return [
        record
        for row in SeriesTransfer.objects.filter(task=task)
        for record in decode_records(row.instances)
    ]


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
def test_a_study_arrives_pseudonymised_and_complete(
    protocol, source, destination, receiver, make_task, work, holdings, example_study
):
    DicomServer.objects.filter(pk=source.pk).update(**PROTOCOLS[protocol])
    task = make_task(destination)
    result = work(task)
    assert (result.state, result.message) == (
        "SUCCESS",
        "40 of 40 instances confirmed at ORTHANC2.",
    )
    assert task.protocol == protocol
    new_uids = {record.source_uid: record.new_uid for record in records_of(task)}
    comparison = compare_pseudonymised(example_study.instances, holdings(), new_uids, "PSEUDO1")
    assert comparison.faults == []
    assert comparison.compared == 40


def test_stow_delivers_too(source, destination, make_task, work, holdings):
    DicomServer.objects.filter(pk=destination.pk).update(
        dicomweb_stow_support=True, preferred_store="STOW-RS"
    )
    assert work(make_task(destination)).state == "SUCCESS"
    assert len(holdings()) == 40


def test_without_a_profile_the_bytes_pass_unchanged(
    source, destination, make_task, work, holdings, example_study
):
    task = make_task(destination, pseudonym="")
    assert work(task).state == "SUCCESS"
    for record in records_of(task):
        assert record.new_uid == record.source_uid
        assert record.sha256_sent == record.sha256_received
    assert {ds.SOPInstanceUID for ds in holdings()} == {
        ds.SOPInstanceUID for ds in example_study.instances
    }


def test_single_series_can_be_chosen(source, destination, make_task, work, example_study):
    uid = str(example_study.instances[0].SeriesInstanceUID)
    result = work(make_task(destination, series_instance_uids=[uid]))
    assert result.message == "20 of 20 instances confirmed at ORTHANC2."


def test_the_ledger_tells_each_series_and_instance(source, destination, make_task, work, holdings):
    task = make_task(destination)
    work(task)
    series = list(SeriesTransfer.objects.filter(task=task))
    assert [(s.expected, s.received, s.sent, s.confirmed, s.state) for s in series] == [
        (20, 20, 20, 20, "SUCCESS"),
        (20, 20, 20, 20, "SUCCESS"),
    ]
    assert all(r.state is InstanceState.CONFIRMED and r.size for r in records_of(task))
    assert (task.instances_expected, task.instances_done) == (40, 40)


def test_a_second_attempt_sends_only_what_is_missing(
    source, destination, make_task, work, holdings, orthancs, again
):
    task = make_task(destination)
    work(task)
    lost = set()
    for row in SeriesTransfer.objects.filter(task=task):
        records = decode_records(row.instances)
        for record in records[:3]:
            record.state = InstanceState.EXPECTED
            lost.add(record.new_uid)
        row.instances = encode_records(records)
        row.save()
    orthancs[1].clear()
    again(task)
    assert work(task).state == "SUCCESS"
    # What was confirmed before is not asked for again, so only the six are there now.
    assert {ds.SOPInstanceUID for ds in holdings()} == lost


def test_a_study_that_is_not_there_is_a_permanent_failure(source, destination, make_task, work):
    task = make_task(destination)
    type(task).objects.filter(pk=task.pk).update(study_instance_uid="1.2.3")
    task.refresh_from_db()
    result = work(task)
    assert (result.state, result.retry) == ("FAILURE", False)
    assert result.message == "The study was not found at ORTHANC1."


def test_a_study_under_another_patient_id_is_found_with_a_warning(
    source, destination, make_task, work, holdings
):
    task = make_task(destination)
    type(task).objects.filter(pk=task.pk).update(patient_id="0815")
    task.refresh_from_db()
    result = work(task)
    assert result.state == "WARNING"
    assert "filed under another patient ID" in result.message
    assert len(holdings()) == 40


def test_a_destination_that_is_away_is_a_transient_failure(source, destination, make_task, work):
    DicomServer.objects.filter(pk=destination.pk).update(port=1)
    result = work(make_task(destination))
    assert (result.state, result.retry) == ("FAILURE", True)
    assert "ORTHANC2" in result.message


def test_a_source_that_is_away_is_a_transient_failure(source, destination, make_task, work):
    DicomServer.objects.filter(pk=source.pk).update(port=1)
    result = work(make_task(destination))
    assert (result.state, result.retry) == ("FAILURE", True)
    assert "ORTHANC1" in result.message


def test_an_owner_who_lost_the_right_gets_nothing(source, destination, make_task, work, holdings):
    task = make_task(destination)
    destination.accesses.all().delete()
    with pytest.raises(Exception, match="may not write to ORTHANC2"):
        work(task)
    assert holdings() == []


def test_equal_instances_under_another_pseudonym_are_no_proof(
    source, destination, make_task, work, holdings, orthancs, settings, monkeypatch
):
    settings.CONFIRM_PATIENCE_SECONDS = 1
    first = make_task(destination, pseudonym="FIRST")
    assert work(first).state == "SUCCESS"
    second = make_task(destination, pseudonym="SECOND")
    second_job = type(second).objects.get(pk=second.pk).job.selectivetransferjob
    second_job.profile = first.job.selectivetransferjob.profile
    second_job.save()
    # A destination that takes an instance of known UID for a repetition says success to it.
    monkeypatch.setattr(ServerDestination, "deliver", _pretend_to_deliver)
    result = work(second)
    assert result.state == "FAILURE"
    assert "not found at the destination" in result.message


def _pretend_to_deliver(self, items):
    for item in items:
        yield Delivered(item)
