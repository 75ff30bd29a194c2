"""Starts `uv run cli demo`, transfers an example study on its pages, and stops it again.

Each step that holds prints a line; the first one that does not ends the run with its reason.
"""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from adit.core.dicom import DicomOperator, LocalConfig, Query
from adit.stack.example_data import peer
from adit.stack.ports import wait_until
from adit.stack.workspace import Workspace
from adit.test_pacs.phantoms import PATIENTS, phantom_uid

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120
TRANSFER_SECONDS = 120
STOP_SECONDS = 60
PSEUDONYM = "SMOKE-1"
LOG = ROOT / ".adit" / "logs" / "smoke.log"


class SmokeFailed(Exception):
    """A step did not hold."""


def main() -> int:
    try:
        with running_demo() as (process, state):
            ours = descendants(process)
            check("the processes run", len(ours) >= 7)
            with httpx.Client(base_url=state["web_url"], follow_redirects=True) as client:
                log_in(client, "researcher", state["logins"]["researcher"])
                receipt = transfer(client)
            arrived = count_at_destination(state)
            check(f"{arrived} instances are at ORTHANC2", arrived == receipt["totals"]["confirmed"])
            stop(process)
            check("everything has stopped", not [each for each in ours if is_alive(each)])
            check("nothing tells of it any more", not workspace().state_file.exists())
    except (SmokeFailed, httpx.HTTPError) as err:
        print(f"FAILED: {err}\n--- the demo's output ---\n{LOG.read_text()[-6000:]}")
        return 1
    print("The demo works.")
    return 0


def check(what: str, holds: bool) -> None:
    if not holds:
        raise SmokeFailed(what)
    print(f"ok  {what}", flush=True)


def workspace() -> Workspace:
    return Workspace(ROOT, "demo")


@contextmanager
def running_demo() -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """The command of the README, in a session of its own, ready to be used."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    workspace().state_file.unlink(missing_ok=True)
    began = time.monotonic()
    command = ["uv", "run", "cli", "demo", "--no-browser", "--reset"]
    with LOG.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_until(
            lambda: workspace().read_state() is not None or process.poll() is not None,
            "the demo's readiness",
            START_SECONDS,
        )
        check(f"the demo is ready after {time.monotonic() - began:.0f} s", process.poll() is None)
        state = workspace().read_state()
        assert state is not None
        yield process, state
    except TimeoutError as err:
        raise SmokeFailed(str(err)) from err
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def post(client: httpx.Client, page: httpx.Response, values: dict[str, str]) -> httpx.Response:
    """Send a form of `page` as a browser does, with the token against forged requests."""
    token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
    return client.post(page.url, data=values | token, headers={"Referer": str(page.url)})


def log_in(client: httpx.Client, user: str, password: str) -> None:
    page = client.get("accounts/login/")
    check("the log-in page answers", page.status_code == 200)
    answer = post(client, page, {"username": user, "password": password})
    inside = answer.status_code == 200 and "login" not in answer.url.path
    check(f"{user} is logged in", inside)


def transfer(client: httpx.Client) -> dict[str, Any]:
    """Send one example study from ORTHANC1 to ORTHANC2, pseudonymised; return the receipt."""
    page = client.get("selective-transfer/")
    check("the page of selective transfer answers", page.status_code == 200)
    patient = PATIENTS[0]
    values = {
        "source": "ORTHANC1",
        "destination": "ORTHANC2",
        "patient_id": patient.patient_id,
        "study_instance_uid": str(phantom_uid(patient.patient_id, patient.studies[0].number)),
        "pseudonym": PSEUDONYM,
    }
    answer = post(client, page, values)
    found = re.search(r"/jobs/(\d+)/", answer.url.path)
    if answer.status_code != 200 or found is None:
        raise SmokeFailed(f"the transfer is refused ({answer.status_code}):\n{answer.text}")
    print("ok  the transfer is accepted and its page answers", flush=True)
    return wait_for_job(client, int(found[1]))


def wait_for_job(client: httpx.Client, job: int) -> dict[str, Any]:
    receipt: dict[str, Any] = {}
    deadline = time.monotonic() + TRANSFER_SECONDS
    while time.monotonic() < deadline:
        answer = client.get(f"jobs/{job}/receipt.json")
        receipt = answer.raise_for_status().json()
        if receipt["state"] not in ("PENDING", "IN_PROGRESS"):
            break
        time.sleep(0.5)
    check(f"the transfer is a success: {receipt['statement']}", receipt["state"] == "SUCCESS")
    check("the receipt says that it is complete", receipt["complete"] is True)
    return receipt


def count_at_destination(state: dict[str, Any]) -> int:
    """How many instances of the pseudonym ORTHANC2 says it holds, asked by C-FIND."""
    server = state["servers"]["ORTHANC2"]
    config = peer("ORTHANC2", server["host"], server["dicom_port"])
    with DicomOperator(config, LocalConfig()) as operator:
        studies = list(operator.find_studies(Query(patient_id=PSEUDONYM)))
    return sum(study.number_of_instances or 0 for study in studies)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired as err:
        raise SmokeFailed(f"the demo did not stop within {STOP_SECONDS} s") from err
    check("the demo stops with exit code 0", code == 0)


if __name__ == "__main__":
    sys.exit(main())
