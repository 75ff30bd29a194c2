"""Archive and NIfTI, from the form to the files, and the receipt as PDF."""

import subprocess
import sys

import nibabel
import py7zr
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.acceptance

ENDED_WELL = "[data-testid=job-state] [data-state=SUCCESS]"


@pytest.fixture
def choose(page, system):
    """Search a study, tick it, give a pseudonym and choose the folder."""

    def do(patient_id: str, description: str, pseudonym: str) -> None:
        page.goto(f"{system.url}/selective-transfer/")
        page.get_by_label("Source", exact=False).select_option(label="ORTHANC1")
        page.get_by_label("Patient ID").first.fill(patient_id)
        page.get_by_role("button", name="Search", exact=True).click()
        row = page.locator("#results tr[data-study-uid]").filter(has_text=description)
        row.get_by_role("checkbox").check()
        page.get_by_role("textbox", name="Pseudonym").fill(pseudonym)
        page.get_by_label("Destination").select_option(label="Example folder")

    return do


def folders(system):
    return system.root / ".adit" / system.name / "folders"


def test_an_archive_whose_password_is_shown_once(choose, log_in, page, system, console):
    log_in()
    choose("1002", "MR Lumbar spine", "ACC-7Z")
    page.get_by_label("One archive with a password").check()
    expect(page.get_by_test_id("outcome")).to_contain_text("One encrypted 7z archive")
    page.get_by_role("button", name="Transfer", exact=True).click()
    shown = page.get_by_test_id("archive-password")
    expect(shown).to_be_visible()
    password = shown.inner_text()
    assert len(password) >= 25
    # Who reloads the page comes to the job, and the password is gone.
    page.wait_for_url("**/jobs/*/")
    page.reload()
    page.wait_for_url("**/jobs/*/")
    assert password not in page.content()
    expect(page.locator(ENDED_WELL).first).to_be_visible(timeout=120_000)
    expect(page.get_by_test_id("archive")).to_have_attribute("data-state", "DONE")
    job_id = page.url.rstrip("/").rsplit("/", 1)[1]
    (path,) = folders(system).rglob(f"adit_selective_transfer_{job_id}_*.7z")
    with py7zr.SevenZipFile(path, password=password) as archive:
        names = archive.getnames()
    assert len([name for name in names if name.endswith(".dcm")]) == 15
    assert {name.split("/")[0] for name in names} == {"ACC-7Z", "manifest.json"}
    assert not list(path.parent.glob(f"{path.name}.*"))
    assert console == []


def test_the_options_are_offered_for_folders_only(choose, log_in, page):
    log_in()
    choose("1002", "MR Lumbar spine", "ACC-OPTIONS")
    archive = page.get_by_label("One archive with a password")
    archive.check()
    expect(page.get_by_label("Password of the archive")).to_be_visible()
    page.get_by_label("Destination").select_option(label="ORTHANC2")
    expect(archive).to_be_hidden()
    page.get_by_label("Destination").select_option(label="Example folder")
    expect(archive).to_be_visible()


def test_nifti_files_and_a_receipt_that_is_verified(
    choose, log_in, page, system, console, tmp_path
):
    log_in()
    choose("1001", "MRT Schädel", "ACC-NIFTI")
    page.get_by_label("One archive with a password").uncheck()
    page.get_by_label("NIfTI instead of DICOM").check()
    expect(page.get_by_test_id("outcome")).to_contain_text("NIfTI files of 1 study")
    page.get_by_role("button", name="Transfer", exact=True).click()
    page.wait_for_url("**/jobs/*/")
    expect(page.locator(ENDED_WELL).first).to_be_visible(timeout=120_000)
    files = [f for f in folders(system).rglob("*") if f.is_file() and "ACC-NIFTI" in f.parts]
    images = [file for file in files if file.name.endswith(".nii.gz")]
    assert images
    assert all(len(nibabel.load(image).shape) >= 3 for image in images)  # type: ignore[attr-defined]
    assert not [file for file in files if file.suffix == ".dcm"]

    page.get_by_role("link", name="Receipt").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    path = tmp_path / "receipt.pdf"
    download.value.save_as(path)
    assert verify(system, path) == (0, "valid")
    data = bytearray(path.read_bytes())
    place = data.index(b"instances confirmed at Example folder) Tj") - 3
    data[place] = ord("9") if data[place] != ord("9") else ord("8")
    path.write_bytes(data)
    assert verify(system, path) == (1, "changed")
    assert console == []


def verify(system, path):
    result = subprocess.run(
        [sys.executable, "manage.py", "verify_receipt", str(path)],
        cwd=system.root,
        env=system.processes("dicom_worker")[0].environ(),
        capture_output=True,
        text=True,
    )
    word = result.stdout.removeprefix(f"{path}: ").split(".")[0]
    return result.returncode, word
