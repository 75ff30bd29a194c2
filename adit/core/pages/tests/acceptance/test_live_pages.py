"""Two users watch one job; what they see is what the database holds."""

import statistics
import time

import pytest
from playwright.sync_api import expect

from adit.core.pages.tests.acceptance.conftest import wait_for

pytestmark = pytest.mark.acceptance

DONE = "#job-live [data-testid=instances-done]"
MOVE = "UPDATE core_dicomtask SET instances_done = %s WHERE id = %s"


def counts_on(page):
    """The bar in words: the number of tasks by state, of one moment."""
    return page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('#job-live [data-count-of]')]"
        ".map((item) => [item.dataset.countOf, parseInt(item.innerText)]))"
    )


def counts_in(database, job_id):
    (found,) = database.ask(
        "SELECT json_object_agg(state, n) FROM (SELECT state, count(*) AS n FROM core_dicomtask"
        " WHERE job_id = %s GROUP BY state) AS counted",
        job_id,
    )
    return found


def bars(page):
    return page.evaluate(
        "[...document.querySelectorAll('#job-live svg.segments rect')]"
        ".map((rect) => rect.getAttribute('width'))"
    )


@pytest.mark.clock
@pytest.mark.parametrize("number", [3, 300])
def test_owner_and_staff_see_the_truth_within_two_seconds(number, owner, staff, seed, database):
    tasks = ["SUCCESS", "IN_PROGRESS", *["PENDING"] * (number - 2)]
    made = seed(tasks=tasks, pseudonym="LIVE")
    job_id, pages = made["job"], [owner.watch(f"/jobs/{made['job']}/")]
    pages.append(staff.watch(f"/jobs/{job_id}/"))
    for page in pages:
        page.evaluate("window.neverReloaded = true")
    delays = []
    for done in range(141, 147):
        database.change(job_id, MOVE, done, made["tasks"][1])
        began = time.monotonic()
        total = str(240 + done)
        for page in pages:
            expect(page.locator(DONE)).to_have_text(total, timeout=30_000)
        delays.append(time.monotonic() - began)
    assert statistics.median(delays) < 2, delays
    change = "UPDATE core_dicomtask SET state = 'SUCCESS', lease = NULL WHERE id = %s"
    database.change(job_id, change, made["tasks"][1])
    truth = counts_in(database, job_id)
    for page in pages:
        wait_for(lambda page=page: counts_on(page) == truth, "counts", 30)
        assert page.evaluate("window.neverReloaded")
        row = page.locator(f"#task-{made['tasks'][1]}")
        expect(row.locator("[data-state=SUCCESS]")).to_be_visible()
    wait_for(lambda: bars(pages[0]) == bars(pages[1]), "the same bars", 30)
    assert owner.errors == staff.errors == []


def test_home_list_and_task_are_live_too(owner, seed, database):
    made = seed(tasks=["IN_PROGRESS", "PENDING"])
    job_id, (task_id, _) = made["job"], made["tasks"]
    pages = [owner.watch("/")]
    for path in (f"/jobs/?state=IN_PROGRESS&page=1#{job_id}", f"/tasks/{task_id}/"):
        page = owner.context.new_page()
        page.goto(owner.url + path)
        page.locator("[data-live-state=live]").wait_for()
        pages.append(page)
    home, listed, task = pages
    database.change(job_id, MOVE, 201, task_id)
    line = home.locator(".job-line").filter(has=home.locator(f"#home-job-{job_id}"))
    expect(line).to_contain_text("201 of 240", timeout=15_000)
    expect(listed.locator(f"#job-{job_id}")).to_contain_text("201 of 240", timeout=15_000)
    expect(task.get_by_test_id("instances-done")).to_have_text("201", timeout=15_000)
    other = seed(state="IN_PROGRESS", tasks=["PENDING", "SUCCESS"])
    database.change(other["job"], "SELECT 1")
    expect(listed.locator(f"#job-{other['job']}")).to_be_visible(timeout=15_000)


def test_pages_survive_the_death_of_the_web_server(owner, staff, seed, database, web_processes):
    made = seed(tasks=["IN_PROGRESS", "PENDING", "PENDING"])
    job_id = made["job"]
    pages = [user.watch(f"/jobs/{job_id}/") for user in (owner, staff)]
    for page in pages:
        page.evaluate("window.neverReloaded = true")
    killed = web_processes()
    assert killed
    for process in killed:
        process.kill()
    for page in pages:
        page.locator("[data-live-state=lost], [data-live-state=offline]").wait_for(timeout=20_000)
    # What happens meanwhile is told to nobody.
    database.change(job_id, MOVE, 222, made["tasks"][0])
    for page in pages:
        page.locator("[data-live-state=live]").wait_for(timeout=60_000)
        expect(page.locator(DONE)).to_have_text("222", timeout=15_000)
        assert page.evaluate("window.neverReloaded")
    database.change(job_id, MOVE, 223, made["tasks"][0])
    for page in pages:
        expect(page.locator(DONE)).to_have_text("223", timeout=15_000)
        expect(page.locator(".a-toast")).to_have_count(0)


def test_a_lost_connection_is_shown_and_made_up_for(owner, staff, seed, database):
    made = seed(tasks=["IN_PROGRESS", "PENDING"])
    job_id, task_id = made["job"], made["tasks"][0]
    page, other = (user.watch(f"/jobs/{job_id}/") for user in (owner, staff))
    owner.context.set_offline(True)
    expect(page.get_by_text("No connection to the server")).to_be_visible(timeout=20_000)
    change = (
        "UPDATE core_dicomtask SET state = 'FAILURE', lease = NULL, instances_done = 150,"
        " message = 'The source does not answer.' WHERE id = %s"
    )
    database.change(job_id, change, task_id)
    expect(other.locator(DONE)).to_have_text("150", timeout=15_000)
    assert page.locator(DONE).inner_text() == "140"
    owner.context.set_offline(False)
    page.locator("[data-live-state=live]").wait_for(timeout=30_000)
    expect(page.locator(DONE)).to_have_text("150", timeout=15_000)
    expect(page.locator(f"#task-{task_id} [data-state=FAILURE]")).to_be_visible()
    wait_for(lambda: bars(page) == bars(other), "the same bars", 30)


def test_without_websockets_the_page_asks_by_itself(visit, seed, database):
    made = seed(tasks=["IN_PROGRESS"])
    visitor = visit("researcher")
    visitor.page.route_web_socket("**/ws/**", lambda socket: socket.close(code=1013))
    page = visitor.open(f"/jobs/{made['job']}/")
    expect(page.get_by_text("Connection lost. Updates every 10 s.")).to_be_visible(timeout=20_000)
    database.change(made["job"], MOVE, 199, made["tasks"][0])
    expect(page.locator(DONE)).to_have_text("199", timeout=40_000)


def test_who_is_logged_out_elsewhere_is_told(owner, seed, database):
    made = seed(tasks=["IN_PROGRESS"])
    page = owner.watch(f"/jobs/{made['job']}/")
    cookie = next(c for c in owner.context.cookies() if c["name"] == "sessionid")["value"]
    delete = "DELETE FROM django_session WHERE session_key = %s"
    database.change(made["job"], delete, cookie)
    expect(page.get_by_text("You are logged out.")).to_be_visible(timeout=30_000)
    database.change(made["job"], MOVE, 233, made["tasks"][0])
    assert page.locator(DONE).inner_text() == "140"


def test_a_job_that_is_deleted_elsewhere_is_said_to_be_gone(owner, staff, seed):
    made = seed(state="PENDING", tasks=["PENDING"])
    page, other = (user.watch(f"/jobs/{made['job']}/") for user in (owner, staff))
    page.locator("#action-delete").click()
    page.locator("dialog[open]").get_by_test_id("confirm-delete").click()
    page.wait_for_url("**/jobs/")
    expect(other.get_by_text("This is gone")).to_be_visible(timeout=30_000)


def test_focus_ticks_and_open_dialogs_outlive_updates(owner, seed, database):
    made = seed(tasks=["IN_PROGRESS", "FAILURE"])
    page = owner.watch(f"/jobs/{made['job']}/")
    box = page.locator(f"#pick-{made['tasks'][0]}")
    box.check()
    page.locator(f"#task-link-{made['tasks'][0]}").focus()
    database.change(made["job"], MOVE, 160, made["tasks"][0])
    row = page.locator(f"#task-{made['tasks'][0]}")
    expect(row).to_contain_text("160 of 240", timeout=15_000)
    expect(box).to_be_checked()
    expect(page.locator(f"#task-link-{made['tasks'][0]}")).to_be_focused()
    page.locator("#action-cancel").click()
    database.change(made["job"], MOVE, 161, made["tasks"][0])
    expect(row).to_contain_text("161 of 240", timeout=15_000)
    expect(page.locator("#dialog-cancel")).to_be_visible()


def test_rows_that_leave_the_chosen_state_leave_the_table_and_all_else_stays(owner, seed, database):
    made = seed(tasks=["PENDING"] * 40)
    job_id, tasks = made["job"], made["tasks"]
    page = owner.watch(f"/jobs/{job_id}/?state=PENDING")
    page.locator(f"#pick-{tasks[30]}").check()
    page.locator(f"#task-link-{tasks[20]}").focus()
    box = page.locator("#tasks [data-keep-scroll]")
    # As a person does it: a script that scrolls is not told from the page that holds its rows.
    box.hover()
    page.mouse.wheel(0, 150)
    page.wait_for_timeout(1500)

    def place():
        tops = [of.bounding_box()["y"] for of in (page.locator(f"#task-{tasks[12]}"), box)]
        return tops[0] - tops[1]

    assert box.evaluate("box => box.scrollTop") > 50
    before = place()
    end = "UPDATE core_dicomtask SET state = 'SUCCESS', start = now() WHERE id = ANY(%s)"
    database.change(job_id, end, [tasks[2], tasks[20]])
    expect(page.locator(f"#task-{tasks[2]}")).to_have_count(0, timeout=15_000)
    expect(page.locator("#tasks tbody tr")).to_have_count(38)
    expect(page.locator(f"#pick-{tasks[30]}")).to_be_checked()
    expect(page.locator("#bulk-bar")).to_contain_text("1 task selected")
    # The next row has taken the place of the one with the focus.
    expect(page.locator(f"#task-link-{tasks[21]}")).to_be_focused()
    assert abs(place() - before) < 60
    # And what enters the state comes.
    begin = "UPDATE core_dicomtask SET state = 'PENDING' WHERE id = %s"
    database.change(job_id, begin, tasks[2])
    expect(page.locator(f"#task-{tasks[2]}")).to_be_visible(timeout=15_000)


DELETE = (
    "WITH gone AS (DELETE FROM selective_transfer_selectivetransfertask"
    " WHERE dicomtask_ptr_id = %s) DELETE FROM core_dicomtask WHERE id = %s"
)


def test_tasks_that_are_deleted_elsewhere_leave_the_table_of_all_tasks(owner, seed, database):
    made = seed(state="PENDING", tasks=["PENDING"] * 4)
    page = owner.watch(f"/jobs/{made['job']}/")
    gone, stays = made["tasks"][0], made["tasks"][1]
    page.locator(f"#pick-{stays}").check()
    database.change(made["job"], DELETE, gone, gone)
    expect(page.locator(f"#task-{gone}")).to_have_count(0, timeout=15_000)
    expect(page.locator("#tasks tbody tr")).to_have_count(3)
    expect(page.locator(f"#pick-{stays}")).to_be_checked()


def test_a_search_in_a_state_takes_in_tasks_that_enter_the_state(owner, seed, database):
    made = seed(tasks=["SUCCESS", "IN_PROGRESS", "PENDING"])
    page = owner.watch(f"/jobs/{made['job']}/?state=SUCCESS")
    page.locator("#task-search").fill("PAT0")
    expect(page.locator("#tasks-page[data-searched]")).to_have_count(1)
    expect(page.locator("#tasks tbody tr")).to_have_count(1)
    database.change(made["job"], END, "SUCCESS", made["tasks"][1])
    expect(page.locator(f"#task-{made['tasks'][1]}")).to_be_visible(timeout=20_000)
    expect(page.locator("#task-search")).to_be_focused()
    expect(page.locator("#task-search")).to_have_value("PAT0")


@pytest.mark.parametrize("by", ["websocket", "poll"])
def test_news_of_rows_that_a_search_took_away_meanwhile_are_left_out(by, owner, seed, database):
    made = seed(tasks=["IN_PROGRESS", "PENDING"])
    gone, other = (f"task-{pk}" for pk in made["tasks"])
    page = owner.watch(f"/jobs/{made['job']}/")
    # As by a search of which the server has not heard yet.
    page.evaluate("(id) => document.getElementById(id).remove()", gone)
    if by == "poll":
        with page.expect_response(lambda answer: "/live" in answer.url):
            page.evaluate("htmx.trigger(document.body, 'adit:poll')")
    database.change(made["job"], MOVE, 177, made["tasks"][0])
    told = "UPDATE core_dicomtask SET message = 'New' WHERE job_id = %s"
    database.change(made["job"], told, made["job"])
    expect(page.locator(DONE)).to_have_text("177", timeout=20_000)
    expect(page.locator(f"#{other}")).to_contain_text("New", timeout=20_000)
    assert owner.errors == []


END = 'UPDATE core_dicomtask SET state = %s, lease = NULL, "end" = now() WHERE id = %s'


BEGIN = (
    "UPDATE core_dicomtask SET state = 'IN_PROGRESS', worker = 'worker-1',"
    " lease = gen_random_uuid(), start = now(), lease_until = now() + interval '1 day'"
    " WHERE id = %s"
)


def test_a_ticked_task_that_has_left_the_table_is_judged_as_it_is_now(owner, seed, database):
    made = seed(tasks=["PENDING", "PENDING"])
    page = owner.watch(f"/jobs/{made['job']}/?state=PENDING")
    task = made["tasks"][0]
    page.locator(f"#pick-{task}").check()
    expect(page.locator("#bulk-reset")).to_be_disabled()
    database.change(made["job"], BEGIN, task)
    expect(page.locator(f"#task-{task}")).to_have_count(0, timeout=15_000)
    # What happens to it now is on no screen.
    database.change(made["job"], END, "FAILURE", task)
    expect(page.locator("#legend-FAILURE")).to_be_visible(timeout=15_000)
    expect(page.locator("#bulk-bar")).to_contain_text("1 task selected")
    page.locator("#bulk-reset").click(timeout=10_000)
    page.locator("dialog[open] [type=submit]").click()
    expect(page.get_by_text("1 task is")).to_be_visible(timeout=15_000)


def test_a_stale_page_of_a_deleted_job_says_so_and_leads_on(owner, staff, seed):
    job_id = seed(state="PENDING", tasks=["PENDING"])["job"]
    owner.page.route_web_socket("**/ws/**", lambda socket: None)
    page, other = owner.open(f"/jobs/{job_id}/"), staff.watch(f"/jobs/{job_id}/")
    other.locator("#action-delete").click()
    other.locator("dialog[open]").get_by_test_id("confirm-delete").click()
    other.wait_for_url("**/jobs/")
    page.locator("#action-delete").click()
    page.locator("dialog[open]").get_by_test_id("confirm-delete").click()
    told = page.locator(".a-toast-error")
    expect(told).to_contain_text("This job no longer exists")
    told.get_by_role("link", name="Show all jobs").click()
    page.wait_for_url("**/jobs/")
