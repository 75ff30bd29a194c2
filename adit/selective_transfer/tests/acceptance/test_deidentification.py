"""De-identification without a shell: profiles, previews, held instances, the report."""

import io
import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from adit.selective_transfer.tests.acceptance.conftest import read_json
from adit.test_pacs.phantoms import PATIENTS, phantom_uid, study_instances

pytestmark = pytest.mark.acceptance

ENDED = "[data-testid=job-state] [data-state={}]"
NAME = "Verraeter"


def put(system, key, patient_id, comment, leaks=1, instances=2):
    """A study at ORTHANC1; in the comment of the first instances stands the patient's name."""
    patient, study = next((p, s) for p in PATIENTS for s in p.studies if s.instances == 15)
    template = next(iter(study_instances(patient, study)))
    template.PatientID, template.PatientName = patient_id, f"{NAME}^Vera"
    template.StudyDescription = f"Held {key}"
    template.StudyInstanceUID = phantom_uid("deid", key)
    template.SeriesInstanceUID = phantom_uid("deid", key, "series")
    for number in range(instances):
        uid = phantom_uid("deid", key, number)
        template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = uid
        template.ImageComments = comment if number < leaks else "quiet"
        buffer = io.BytesIO()
        template.save_as(buffer, enforce_file_format=True)
        system.orthanc("ORTHANC1").request("POST", "/instances", buffer.getvalue())
    return buffer.getvalue()


def check_accessible(page, themes=("light", "dark")) -> None:
    """axe finds nothing on the page as it is, and nothing is wider than the window."""
    for theme in themes:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        for width in (360, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            found = Axe().run(page)
            assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{page.url} is {wide} wide at {width}"


@pytest.fixture
def make_profile(page, system, log_in):
    """Make a profile that keeps the image comments, for one group, on its pages."""

    def make(name: str, group: str = "Radiology") -> None:
        log_in("admin")
        page.goto(f"{system.url}/profiles/")
        page.get_by_role("link", name="New profile").click()
        page.locator("[name=name]").fill(name)
        page.get_by_label(group, exact=True).check()
        page.get_by_role("button", name="Add a rule").click()
        page.locator("[name=own_rules-0-tag]").fill("ImageComments")
        page.locator("[name=own_rules-0-action]").select_option("keep")
        page.locator("[name=own_rules-0-reason]").fill("The comments are evaluated")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", name=f"{name}, version 1")).to_be_visible()

    return make


@pytest.fixture
def log_out(page):
    def do() -> None:
        page.context.clear_cookies()

    return do


@pytest.fixture
def choose(page, system):
    """Search a study, tick it and fill in the form of the transfer."""

    def do(patient_id: str, description: str, profile: str, pseudonym: str) -> None:
        page.goto(f"{system.url}/selective-transfer/")
        page.get_by_label("Source", exact=False).select_option(label="ORTHANC1")
        page.get_by_label("Patient ID").first.fill(patient_id)
        page.get_by_role("button", name="Search", exact=True).click()
        row = page.locator("#results tr[data-study-uid]").filter(has_text=description)
        row.get_by_role("checkbox").check()
        page.get_by_role("textbox", name="Pseudonym").fill(pseudonym)
        page.get_by_label("Destination").select_option(label="ORTHANC2")
        page.get_by_label("Profile").select_option(label=profile)

    return do


def send(page, state: str) -> int:
    page.get_by_role("button", name="Transfer", exact=True).click()
    page.wait_for_url("**/jobs/*/")
    expect(page.locator(ENDED.format(state)).first).to_be_visible(timeout=90_000)
    return int(page.url.rstrip("/").rsplit("/", 1)[1])


def test_a_profile_is_made_versioned_tried_and_used(
    system, page, log_in, log_out, make_profile, choose, console, query
):
    content = put(system, "quiet", "3001", "quiet", leaks=0)
    make_profile("Comments")

    page.get_by_role("link", name="New version").click()
    page.get_by_label("What is new, and why").fill("The device is kept")
    page.get_by_label("Keep device identity").check()
    page.get_by_role("button", name="Save as version 2").click()
    expect(page.get_by_role("heading", name="Comments, version 2")).to_be_visible()
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_test_id("differences")).to_contain_text("Keep device identity")
    (secrets,) = query(
        "SELECT count(*) FROM core_deidprofile WHERE name = 'Comments' AND own_rules != '[]'"
    )
    assert secrets == 2
    page.go_back()

    page.get_by_role("link", name="Try on a file").click()
    junk = {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": b"no DICOM"}
    page.get_by_label("DICOM file").set_input_files(junk)
    page.get_by_role("button", name="Show what happens").click()
    expect(page.get_by_text("holiday.jpg: this is no DICOM file")).to_be_visible()
    # The answer 422 is what Chromium reports of it.
    console.clear()
    file = {"name": "one.dcm", "mimeType": "application/dicom", "buffer": content}
    page.get_by_label("DICOM file").set_input_files(file)
    page.get_by_label("Pseudonym").fill("TRIED-1")
    page.get_by_role("button", name="Show what happens").click()
    expect(page.get_by_test_id("findings")).to_contain_text("finds nothing")
    rows = page.locator(".preview-table tbody tr")
    expect(rows.filter(has_text="(0010,0020)")).to_contain_text("TRIED-1")
    expect(rows.filter(has_text="(0020,4000)")).to_contain_text("Own rule")
    page.get_by_label("Removed (", exact=False).check()
    expect(rows.filter(has_text="(0020,4000)")).to_be_hidden()
    page.get_by_label("All", exact=True).check()
    page.get_by_label("Search attributes").fill("tried-1")
    expect(rows.filter(has_text="(0010,0020)")).to_be_visible()
    expect(rows.filter(has_text="(0020,4000)")).to_be_hidden()

    log_out()
    log_in("researcher")
    choose("3001", "Held quiet", "Comments (v2)", "QUIET-1")
    send(page, "SUCCESS")
    assert console == []


def test_another_group_is_not_offered_the_profile(
    system, page, log_in, log_out, make_profile, console
):
    make_profile("Only for clinicians", "Clinicians")
    log_out()
    log_in("researcher")
    page.goto(f"{system.url}/selective-transfer/")
    names = page.get_by_label("Profile").locator("option").all_inner_texts()
    assert "Standard research (v1)" in names
    assert not [name for name in names if "clinicians" in name]
    page.goto(f"{system.url}/profiles/")
    expect(page.get_by_role("heading", name="No access")).to_be_visible()


@pytest.mark.parametrize("protocol", ["C-GET", "C-MOVE", "WADO-RS"])
def test_the_preview_shows_each_kind_before_the_transfer(
    protocol, system, page, log_in, choose, prefer, console, query
):
    prefer(protocol)
    log_in()
    choose("1001", "MRT Schädel", "Standard research (v1)", "SEEN-1")
    page.get_by_role("button", name="Preview", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("looked at.")).to_be_visible(timeout=60_000)
    expect(dialog.get_by_role("tab", name="MR · MR Image")).to_be_visible()
    row = dialog.locator("tbody tr").filter(has_text="(0010,0020)")
    expect(row).to_contain_text("1001")
    expect(row).to_contain_text("SEEN-1")
    if protocol == "C-GET":
        check_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#preview-panels *")).to_have_count(0)
    assert query("SELECT count(*) FROM audit_auditentry WHERE action = 'preview'")[0] >= 1
    assert console == []


def test_the_preview_says_what_is_missing_in_the_form(page, log_in, choose, console):
    log_in()
    choose("1001", "MRT Schädel", "Standard research (v1)", "1001")
    page.get_by_role("button", name="Preview", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("Complete the form first.")
    expect(page.get_by_role("dialog").get_by_role("alert").first).to_be_visible()
    assert console == []


def test_a_held_instance_is_looked_at_released_and_another_discarded(
    system, page, log_in, log_out, make_profile, choose, console, destination
):
    put(system, "one", "3002", f"Seen with {NAME}", leaks=2, instances=4)
    make_profile("Leaky")
    log_out()
    log_in("researcher")
    choose("3002", "Held one", "Leaky (v1)", "LEAK-1")
    job_id = send(page, "WARNING")
    expect(page.get_by_text("2: Held: identifying values may remain").first).to_be_visible()
    log_out()

    log_in("admin")
    page.goto(f"{system.url}/jobs/{job_id}/")
    page.get_by_role("link", name="Task 1").first.click()
    expect(page.get_by_test_id("held")).to_contain_text("2 held")
    page.goto(f"{system.url}/")
    page.get_by_role("link", name="Decide about them").click()
    page.get_by_role("link", name=f"Decide about task 1 of job {job_id}").click()
    page.get_by_role("button", name="Look at instance").first.click()
    look = page.get_by_test_id("look")
    expect(look.locator("tr.has-finding")).to_contain_text(f"Seen with {NAME}", timeout=60_000)
    check_accessible(page)
    boxes = page.get_by_test_id("held-group").get_by_role("checkbox")
    expect(boxes).to_have_count(2)
    boxes.nth(1).uncheck()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("1 held instance discarded.")).to_be_visible()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("1 held instance released.")).to_be_visible()
    page.goto(f"{system.url}/jobs/{job_id}/")
    expect(page.locator(ENDED.format("SUCCESS")).first).to_be_visible(timeout=90_000)
    arrived = destination.instances_of("LEAK-1")
    assert len(arrived) == 3
    assert sorted(str(ds.ImageComments) for ds in arrived) == [
        f"Seen with {NAME}",
        "quiet",
        "quiet",
    ]

    page.get_by_role("link", name="Report").click()
    expect(page.get_by_test_id("released")).to_have_text("1")
    expect(page.get_by_test_id("discarded")).to_have_text("1")
    expect(page.get_by_test_id("deidentified")).to_have_text("3")
    check_accessible(page)
    content = read_json(page, f"{system.url}/jobs/{job_id}/report.json")
    assert (content["released"], content["discarded"], content["held"]) == (1, 1, 0)
    assert content["profile"]["name"] == "Leaky"
    pdf = page.request.get(f"{system.url}/jobs/{job_id}/report.pdf").body()
    assert pdf.startswith(b"%PDF")
    html = page.content()
    for secret in (NAME, "3002"):
        assert secret not in html + json.dumps(content)
    receipt = page.request.get(f"{system.url}/jobs/{job_id}/receipt.json").json()
    assert receipt["statement"] == (
        "3 of 3 instances confirmed at ORTHANC2, 1 excluded (1 discarded by staff), "
        "1 released by staff"
    )
    assert console == []


PAGES = ["/profiles/", "/profiles/new/", "/profiles/1/", "/profiles/1/edit/"]
PAGES += ["/profiles/1/attributes/", "/profiles/1/try/", "/held/"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_are_accessible_and_fit(theme, system, page, log_in, console):
    log_in("admin")
    for url in PAGES:
        page.goto(system.url + url)
        check_accessible(page, [theme])
    assert console == []
