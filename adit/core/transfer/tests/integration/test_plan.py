"""What is expected of a study: sources that tell much, little or nothing, and what grows."""

import copy
import threading
import time
import warnings

import pytest
from pydicom.uid import generate_uid

from adit.core.dicom.tests.samples import make_series
from adit.core.models import DicomServer, SeriesTransfer
from adit.core.transfer.tests.integration.test_transfer import records_of

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

PROCESSES = pytest.mark.processes
COUNTS = ("NumberOfSeriesRelatedInstances", "NumberOfStudyRelatedInstances")


def copy_of(ds, **changes):
    """The data set as another instance of the same series."""
    new = copy.deepcopy(ds)
    new.SOPInstanceUID = new.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for keyword, value in changes.items():
        setattr(new, keyword, value)
    return new


def rows_of(task):
    return list(SeriesTransfer.objects.filter(task=task))


@pytest.mark.parametrize("fault", ["refused_levels", "silent_levels"])
def test_a_source_without_image_level_is_held_to_its_counts(
    fault, double_source, pacs, destination, make_task, work, holdings
):
    setattr(pacs.faults, fault, ("IMAGE",))
    task = make_task(destination, source=double_source)
    result = work(task)
    assert (result.state, len(holdings())) == ("SUCCESS", 40), result.message
    assert [(row.instances_named, row.expected) for row in rows_of(task)] == [(False, 20)] * 2


def test_a_source_that_counts_more_than_it_sends_is_no_success(
    double_source, pacs, destination, make_task, work, holdings
):
    pacs.faults.silent_levels = ("IMAGE",)
    pacs.faults.leave_out = 2
    result = work(make_task(destination, source=double_source))
    assert (result.state, result.retry, len(holdings())) == ("WARNING", True, 36)


def test_what_a_source_without_any_count_sends_is_delivered_with_a_warning(
    double_source, pacs, destination, make_task, work, holdings
):
    pacs.faults.silent_levels = ("IMAGE",)
    pacs.faults.ignored_keys = COUNTS
    task = make_task(destination, source=double_source)
    result = work(task)
    assert (result.state, result.retry, len(holdings())) == ("WARNING", False, 40)
    assert "neither names nor number" in result.message
    assert pacs.seen.operations()["C-GET"] == 2


def test_a_list_of_instances_that_is_cut_in_silence_is_not_believed(
    double_source, pacs, destination, make_task, work, holdings
):
    pacs.faults.result_cap = 7
    result = work(make_task(destination, source=double_source))
    assert (result.state, len(holdings())) == ("SUCCESS", 40), result.message


def test_a_list_of_series_that_is_cut_in_silence_is_no_success(
    double_source, pacs, destination, make_task, work, holdings
):
    pacs.faults.result_cap = 1
    result = work(make_task(destination, source=double_source))
    assert (result.state, len(holdings())) == ("WARNING", 20)
    assert "counts 2 series but lists 1" in result.message


@pytest.mark.parametrize("protocol", ["C-GET", pytest.param("C-MOVE", marks=PROCESSES)])
def test_what_comes_beyond_a_list_that_was_cut_in_silence_belongs_to_the_series(
    protocol,
    request,
    settings,
    double_source,
    pacs,
    double_destination,
    make_task,
    work,
    example_study,
    again,
):
    """Nothing but the arrival tells: the source counts nothing."""
    if protocol == "C-MOVE":
        receiver = request.getfixturevalue("receiver")
        pacs.peers[receiver.ae_title] = ("127.0.0.1", receiver.port)
    DicomServer.objects.filter(pk=double_source.pk).update(preferred_retrieve=protocol)
    pacs.archive.clear()
    pacs.archive.add_datasets(example_study.instances[:6])
    pacs.faults.result_cap = 2
    pacs.faults.ignored_keys = (*COUNTS, "NumberOfStudyRelatedSeries")
    task = make_task(DicomServer.objects.get(name="TAKER"), source=double_source)
    if protocol == "C-GET":
        # All that was listed is there, and yet the attempt is no success.
        settings.TRANSFER_RECONNECT_WAITS = []
        pacs.faults.abort_after = 4
        result = work(task)
        held = list(double_destination.archive)
        assert (result.state, result.retry, len(held)) == ("WARNING", True, 4), result.message
        pacs.faults.abort_after = 0
        again(task)
    result = work(task)
    held = list(double_destination.archive)
    assert (result.state, result.retry, len(held)) == ("WARNING", False, 6), result.message
    assert result.message.startswith("6 of 6 instances confirmed")
    assert "lists fewer instances of 1 series than it has" in result.message
    assert [(row.instances_listed, row.expected) for row in rows_of(task)] == [(2, 6)]
    assert task.events.filter(text__contains="lists 2 instances of series").exists()


def test_what_comes_beyond_a_list_under_another_patient_id_is_left_behind(
    double_source, pacs, destination, make_task, work, example_study, holdings
):
    first = example_study.instances[0]
    pacs.archive.clear()
    pacs.archive.add_dataset(first)
    pacs.archive.add_dataset(copy_of(first, PatientID="ANOTHER"))
    pacs.faults.result_cap = 1
    pacs.faults.ignored_keys = (*COUNTS, "NumberOfStudyRelatedSeries")
    pacs.faults.no_patient_below_study = True
    result = work(make_task(destination, source=double_source))
    assert (result.state, len(holdings())) == ("WARNING", 1), result.message
    assert "1 instance came that the source had not listed" in result.message


@pytest.mark.parametrize("cap", [1, 7, 20])
def test_a_source_that_cuts_at_its_limit_and_counts_nothing_is_no_success(
    cap, double_source, pacs, destination, make_task, work, holdings
):
    """What it lists may be a part, and nothing else tells: nobody may take it for the whole."""
    DicomServer.objects.filter(pk=double_source.pk).update(max_search_results=cap)
    double_source.refresh_from_db()
    pacs.faults.result_cap = cap
    pacs.faults.ignored_keys = COUNTS + ("NumberOfStudyRelatedSeries",)
    task = make_task(destination, source=double_source)
    result = work(task)
    # With one series listed of two, its instances come all the same.
    assert (result.state, len(holdings())) == ("WARNING", 20 if cap == 1 else 40), result.message
    assert ("there may be more" in result.message) == (cap == 1)
    assert not any(row.instances_named for row in rows_of(task))


def test_two_studies_of_one_uid_under_other_patients_are_refused(
    double_source, pacs, destination, make_task, work, example_study, holdings
):
    pacs.archive.clear()
    for patient_id in ("A", "B"):
        pacs.archive.add_dataset(copy_of(example_study.instances[0], PatientID=patient_id))
    result = work(make_task(destination, source=double_source))
    assert (result.state, result.retry, holdings()) == ("FAILURE", False, [])
    assert "2 studies with this Study Instance UID" in result.message


def test_a_study_that_grows_while_it_is_transferred_arrives_whole(
    double_source, pacs, destination, make_task, work, example_study, holdings
):
    pacs.faults.delay = 0.02
    first = example_study.instances[0]

    def grow():
        while not pacs.seen.operations()["C-GET"]:
            time.sleep(0.01)
        pacs.archive.add_dataset(copy_of(first))
        pacs.archive.add_dataset(copy_of(first, SeriesInstanceUID=generate_uid(), SeriesNumber=9))

    thread = threading.Thread(target=grow)
    thread.start()
    task = make_task(destination, source=double_source)
    result = work(task)
    thread.join()
    assert (result.state, len(holdings())) == ("SUCCESS", 42), result.message
    assert sorted(row.expected for row in rows_of(task)) == [1, 20, 21]
    assert task.events.filter(text__contains="grown by 2 instances").exists()


def test_series_without_number_and_modality_are_transferred(
    double_source, pacs, destination, make_task, work, example_study, holdings
):
    pacs.archive.clear()
    for ds in example_study.instances:
        ds = copy.deepcopy(ds)
        del ds.SeriesNumber
        ds.Modality = ""
        pacs.archive.add_dataset(ds)
    task = make_task(destination, source=double_source)
    result = work(task)
    assert (result.state, len(holdings())) == ("SUCCESS", 40), result.message
    assert [row.series_number for row in rows_of(task)] == [None, None]


def test_series_of_excluded_modality_stay_behind_only_when_pseudonymising(
    double_source, pacs, destination, make_task, work, example_study, holdings
):
    report = copy_of(
        example_study.instances[0], SeriesInstanceUID=generate_uid(), Modality="SR", SeriesNumber=7
    )
    pacs.archive.add_dataset(report)
    task = make_task(destination, source=double_source)
    result = work(task)
    assert (result.state, len(holdings())) == ("SUCCESS", 40), result.message
    assert "1 excluded" in result.message
    row = next(row for row in rows_of(task) if row.modality == "SR")
    assert (row.state, row.excluded) == ("EXCLUDED", 1)
    assert row.reason == "Modality SR is excluded when pseudonymising."
    assert sum(r.state == "x" for r in records_of(task)) == 1

    plain = make_task(destination, source=double_source, pseudonym="")
    result = work(plain)
    assert (result.state, plain.instances_done) == ("SUCCESS", 41), result.message


def test_an_empty_series_is_shown_and_keeps_nothing_back(
    double_source, pacs, destination, make_task, work, holdings
):
    pacs.faults.empty_series = True
    task = make_task(destination, source=double_source)
    result = work(task)
    assert (result.state, len(holdings())) == ("SUCCESS", 40), result.message
    empty = [row for row in rows_of(task) if not row.expected]
    assert [(row.state, row.reason) for row in empty] == [
        ("EXCLUDED", "The source has no instances in this series.")
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"SeriesDescription": "a\0b", "StudyDescription": "x\0y", "PatientName": "Do\0e^J"},
        {"SeriesNumber": 99999999999},
    ],
    ids=["NUL", "number"],
)
def test_values_that_no_database_takes_are_no_obstacle(
    odd, double_source, pacs, destination, make_task, work, holdings
):
    study = {"PatientID": "P1", "StudyInstanceUID": "1.2.3.1"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        instances = make_series(2, **study, **odd)
    pacs.archive.clear()
    for instance in instances:
        pacs.archive.add_encoded(instance.read(), instance.transfer_syntax_uid)
    task = make_task(
        destination, source=double_source, patient_id="P1", study_instance_uid="1.2.3.1"
    )
    result = work(task)
    assert (result.state, len(holdings())) == ("SUCCESS", 2), result.message
    (row,) = rows_of(task)
    assert row.description.isprintable()
    assert row.series_number in (None, 1)
