"""The way of a researcher through the whole running system, at two real Orthancs."""

import pytest
from playwright.sync_api import expect

from adit.selective_transfer.tests.acceptance.conftest import BIG, read_json, wait_for
from adit.test_pacs.comparison import compare_pseudonymised

pytestmark = pytest.mark.acceptance

ENDED_WELL = "[data-testid=job-state] [data-state=SUCCESS]"

# A study by patient and description, and its number of instances. Each is pseudonymised once: the
# same profile gives the same UIDs, which a PACS takes only for one patient.
STUDIES = {
    "C-GET": (("1002", "MR Lumbar spine"), 15),
    "C-MOVE": (("1001", "MRT Schädel"), 40),
    "WADO-RS": (("1003", "CT Chest"), 30),
}


@pytest.fixture
def transfer(page, system):
    """Search a study, tick it, transfer it under a pseudonym; returns the number of the job."""

    def do(study, pseudonym: str, destination: str = "ORTHANC2") -> int:
        patient_id, description = study
        page.goto(f"{system.url}/selective-transfer/")
        page.get_by_label("Source", exact=False).select_option(label="ORTHANC1")
        page.get_by_label("Patient ID").first.fill(patient_id)
        page.get_by_role("button", name="Search", exact=True).click()
        row = page.locator("#results tr[data-study-uid]").filter(has_text=description)
        row.get_by_role("checkbox").check()
        page.get_by_role("textbox", name="Pseudonym").fill(pseudonym)
        page.get_by_label("Destination").select_option(label=destination)
        page.get_by_role("button", name="Transfer", exact=True).click()
        page.wait_for_url("**/jobs/*/")
        return int(page.url.rstrip("/").rsplit("/", 1)[1])

    return do


@pytest.fixture
def receipt_of(query, browser, system):
    """The receipt with the identifiers of the source, which only some may see."""

    def read(job_id: int) -> dict:
        (task_id,) = query("SELECT id FROM core_dicomtask WHERE job_id = %s", job_id)
        page = browser.new_page()
        page.goto(f"{system.url}/accounts/login/")
        page.locator("[name=username]").fill("admin")
        page.locator("[name=password]").fill("admin")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: "login" not in url)
        receipt = read_json(page, f"{system.url}/tasks/{task_id}/receipt.json")
        page.close()
        return receipt

    return read


def new_uids(receipt: dict) -> dict[str, str]:
    return {
        one["source_sop_instance_uid"]: one["sop_instance_uid"]
        for series in receipt["series"]
        for one in series["instances"]
    }


def compare(receipt: dict, source, destination, pseudonym: str):
    """Hold what is at ORTHANC2 against what is at ORTHANC1, instance by instance."""
    originals = source.instances(receipt["source_study_instance_uid"])
    uids = new_uids(receipt)
    some_uid = next(iter(uids.values()))
    study_uid = destination.study_of(some_uid)
    return compare_pseudonymised(originals, destination.instances(study_uid), uids, pseudonym)


@pytest.mark.parametrize("protocol", list(STUDIES))
def test_a_researcher_transfers_a_study_and_opens_the_receipt(
    protocol, log_in, prefer, transfer, receipt_of, page, console, query, source, destination
):
    prefer(protocol)
    log_in()
    pseudonym = f"ACC-{protocol}"
    study, number = STUDIES[protocol]
    job_id = transfer(study, pseudonym)
    expect(page.locator(ENDED_WELL).first).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("instances-done").first).to_contain_text(str(number))
    page.get_by_role("link", name="Receipt").first.click()
    statement = page.get_by_test_id("receipt-statement")
    expect(statement).to_contain_text(f"{number} of {number} instances confirmed at ORTHANC2")

    assert query("SELECT protocol FROM core_dicomtask WHERE job_id = %s", job_id) == (protocol,)
    comparison = compare(receipt_of(job_id), source, destination, pseudonym)
    assert comparison.faults == []
    assert comparison.compared == number
    assert console == []


def test_the_page_of_a_job_is_live(log_in, transfer, page, big_study):
    """Without a reload the page shows first some, then all of the instances."""
    log_in()
    transfer(big_study, "ACC-LIVE", "Example folder")
    page.evaluate("window.neverReloaded = true")
    seen = set()

    def watch() -> bool:
        done = page.get_by_test_id("instances-done").first
        seen.add(done.inner_text())
        return page.locator(ENDED_WELL).count() > 0

    wait_for(watch, 90)
    expect(page.get_by_test_id("instances-done").first).to_contain_text(str(BIG))
    assert page.evaluate("window.neverReloaded")
    assert len(seen - {"0", str(BIG)}) >= 1, seen


def test_a_killed_worker_costs_nothing(
    log_in, prefer, transfer, receipt_of, page, query, system, source, destination, big_study
):
    prefer("C-GET")
    log_in()
    job_id = transfer(big_study, "ACC-KILL")
    task = "SELECT state, instances_done FROM core_dicomtask WHERE job_id = %s"
    wait_for(lambda: query(task, job_id)[1] > 0)
    for worker in system.processes("dicom_worker"):
        worker.kill()
    state, done = query(task, job_id)
    assert state == "IN_PROGRESS"
    assert done < BIG
    # The supervisor starts another worker; it goes on when the lease of the first has lapsed.
    wait_for(lambda: query(task, job_id)[0] in ("SUCCESS", "WARNING", "FAILURE"), 90)
    assert query(task, job_id) == ("SUCCESS", BIG)
    expect(page.locator(ENDED_WELL).first).to_be_visible(timeout=20_000)
    assert query("SELECT attempts FROM core_dicomtask WHERE job_id = %s", job_id) == (2,)
    comparison = compare(receipt_of(job_id), source, destination, "ACC-KILL")
    assert comparison.faults == []
    assert comparison.compared == BIG


def test_a_search_without_a_criterion_is_answered_where_it_was_asked(log_in, page, system):
    log_in()
    page.goto(f"{system.url}/selective-transfer/")
    page.get_by_role("button", name="Search", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text("at least one criterion")
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_text("Search for studies, then tick")).to_be_visible()


def test_without_a_pseudonym_the_researcher_is_told_why_not(log_in, page, system):
    log_in()
    page.goto(f"{system.url}/selective-transfer/")
    page.get_by_label("Patient ID").first.fill("1002")
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator("#results tr[data-study-uid]").first.get_by_role("checkbox").check()
    expect(page.get_by_text("your active group may transfer only pseudonymised")).to_be_visible()


def test_a_study_goes_into_a_folder(log_in, transfer, page, system):
    log_in()
    transfer(STUDIES["C-GET"][0], "ACC-FOLDER", "Example folder")
    expect(page.locator(ENDED_WELL).first).to_be_visible(timeout=60_000)
    root = system.root / ".adit" / system.name / "folders"
    files = [path for path in root.rglob("*.dcm") if "ACC-FOLDER" in path.parts]
    assert len(files) == 15
    folders = {part for path in files for part in path.relative_to(root).parts[:-1]}
    assert not any("1002" in part or "ztürk" in part for part in folders)
    assert all(path.stem.startswith("2.25.") for path in files)
