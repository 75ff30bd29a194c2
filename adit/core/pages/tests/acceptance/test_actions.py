"""Every action by page and by API, and what a stale page is told."""

import pytest
from playwright.sync_api import expect

from adit.core.pages.tests.acceptance.conftest import wait_for

pytestmark = pytest.mark.acceptance

# The state of the job and of its tasks, who acts, and the state of the job afterwards.
JOB_CASES = {
    "verify": ("UNVERIFIED", ["PENDING"], "staff", "PENDING"),
    "cancel": ("IN_PROGRESS", ["SUCCESS", "PENDING"], "owner", "CANCELED"),
    "resume": ("CANCELED", ["SUCCESS", "CANCELED"], "owner", "IN_PROGRESS"),
    "retry": ("FAILURE", ["FAILURE", "SUCCESS"], "owner", "IN_PROGRESS"),
    "retry_warned": ("FAILURE", ["FAILURE", "WARNING"], "owner", "IN_PROGRESS"),
    "restart": ("SUCCESS", ["SUCCESS", "SUCCESS"], "staff", "PENDING"),
    "set_urgent": ("PENDING", ["PENDING"], "staff", "PENDING"),
    "unset_urgent": ("PENDING", ["PENDING"], "staff", "PENDING"),
    "delete": ("PENDING", ["PENDING"], "owner", None),
}
TASK_CASES = {
    "reset": ("FAILURE", "owner", "PENDING"),
    "kill": ("IN_PROGRESS", "staff", "FAILURE"),
    "delete": ("PENDING", "owner", None),
}


@pytest.fixture
def user(request, visit):
    return visit("admin" if request.param == "staff" else "researcher")


def state_of(database, table, pk):
    row = database.ask(f"SELECT state FROM core_{table} WHERE id = %s", pk)
    return row[0] if row else None


@pytest.mark.parametrize(
    ("name", "user"), [(n, case[2]) for n, case in JOB_CASES.items()], indirect=["user"]
)
def test_every_action_on_a_job_by_page(name, user, seed, database):
    before, tasks, _, after = JOB_CASES[name]
    job_id = seed(state=before, tasks=tasks, urgent=name == "unset_urgent")["job"]
    page = user.watch(f"/jobs/{job_id}/")
    page.locator(f"#action-{name.removesuffix('_warned')}").click()
    dialog = page.locator("dialog[open]")
    if name in ("cancel", "delete", "restart", "retry", "retry_warned"):
        expect(dialog).to_be_visible()
        if name == "retry_warned":
            dialog.get_by_label("with warnings").check()
        dialog.get_by_role("button", name="Back").click()
        expect(dialog).to_have_count(0)
        assert state_of(database, "dicomjob", job_id) == before
        page.locator(f"#action-{name.removesuffix('_warned')}").click()
        dialog.get_by_test_id(f"confirm-{name.removesuffix('_warned')}").click()
    expect(page.locator(".a-toast-success")).to_be_visible(timeout=15_000)
    assert state_of(database, "dicomjob", job_id) == after
    if after is None:
        page.wait_for_url("**/jobs/")
    else:
        shown = page.locator(f"[data-testid=job-state] [data-state={after}]")
        expect(shown).to_be_visible(timeout=15_000)
        if "urgent" in name:
            tag = page.locator("#job-actions .tag")
            expect(tag).to_have_count(1 if name == "set_urgent" else 0)
    assert user.errors == []


@pytest.mark.parametrize(
    ("name", "user"), [(n, case[1]) for n, case in TASK_CASES.items()], indirect=["user"]
)
@pytest.mark.parametrize("way", ["task", "bulk"])
def test_every_action_on_tasks_by_page(name, user, way, seed, database):
    before, _, after = TASK_CASES[name]
    made = seed(tasks=[before, "SUCCESS", "PENDING"])
    job_id, task_id = made["job"], made["tasks"][0]
    if way == "task":
        page = user.watch(f"/tasks/{task_id}/")
        page.locator(f"#action-{name}").click()
    else:
        page = user.watch(f"/jobs/{job_id}/")
        page.locator(f"#pick-{task_id}").check()
        expect(page.locator("#bulk-bar")).to_contain_text("1 task selected")
        page.locator(f"#bulk-{name}").click()
    page.locator("dialog[open]").get_by_test_id(f"confirm-{name}").click()
    expect(page.locator(".a-toast-success")).to_be_visible(timeout=15_000)
    assert state_of(database, "dicomtask", task_id) == after
    if after and way == "task":
        shown = page.locator(f"[data-testid=task-state] [data-state={after}]")
        expect(shown).to_be_visible(timeout=15_000)
    elif after:
        expect(page.locator(f"#task-{task_id} [data-state={after}]")).to_be_visible()
        expect(page.locator("#bulk-bar")).to_be_hidden()
    elif way == "bulk":
        expect(page.locator(f"#task-{task_id}")).to_have_count(0)
    assert user.errors == []


def test_all_that_fit_are_reset_over_all_pages(owner, seed, database):
    made = seed(state="FAILURE", tasks=["FAILURE"] * 70 + ["SUCCESS"] * 5)
    page = owner.watch(f"/jobs/{made['job']}/")
    page.locator("#task-state").select_option("FAILURE")
    expect(page.get_by_text("1–50 of 70 tasks")).to_be_visible()
    page.locator("#pick-all").check()
    expect(page.locator("#bulk-bar")).to_contain_text("50 tasks selected")
    page.get_by_role("button", name="Select all 70 tasks that fit").click()
    page.locator("#bulk-reset").click()
    expect(page.locator("dialog[open]")).to_contain_text("All 70 tasks that fit are selected")
    page.locator("dialog[open]").get_by_test_id("confirm-reset").click()
    expect(page.locator(".a-toast-success")).to_contain_text("70 tasks are reset")
    count = "SELECT count(*) FROM core_dicomtask WHERE job_id = %s AND state = 'PENDING'"
    assert database.ask(count, made["job"]) == (70,)


def test_ticks_are_kept_over_pages(owner, seed):
    made = seed(state="FAILURE", tasks=["FAILURE"] * 60)
    page = owner.watch(f"/jobs/{made['job']}/")
    page.locator(f"#pick-{made['tasks'][0]}").check()
    page.get_by_role("button", name="Next").click()
    page.locator(f"#pick-{made['tasks'][55]}").check()
    expect(page.locator("#bulk-bar")).to_contain_text("2 tasks selected")
    page.get_by_role("button", name="Previous").click()
    expect(page.locator(f"#pick-{made['tasks'][0]}")).to_be_checked()


def test_a_double_click_does_it_once_and_is_no_error(owner, seed, database):
    made = seed(state="CANCELED", tasks=["SUCCESS", "CANCELED"])
    page = owner.watch(f"/jobs/{made['job']}/")
    page.locator("#action-resume").dblclick()
    expect(page.locator(".a-toast-success")).to_be_visible(timeout=15_000)
    page.wait_for_timeout(1000)
    expect(page.locator(".a-toast")).to_have_count(1)
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert state_of(database, "dicomjob", made["job"]) == "IN_PROGRESS"


def test_what_is_pressed_twice_before_the_answer_comes_is_asked_once(owner, seed):
    made = seed(state="CANCELED", tasks=["SUCCESS", "CANCELED"])
    page = owner.watch(f"/jobs/{made['job']}/")
    asked = []
    page.on("request", lambda r: asked.append(r.url) if "/action/" in r.url else None)
    page.evaluate(
        "() => { const b = document.getElementById('action-resume'); b.click(); b.click(); }"
    )
    expect(page.locator(".a-toast-success")).to_be_visible(timeout=15_000)
    page.wait_for_timeout(1000)
    expect(page.locator(".a-toast")).to_have_count(1)
    assert len(asked) == 1


FOCUSED = "() => document.activeElement.id || document.activeElement.tagName"


def comes_to_stay(page, condition):
    """Whether something becomes true, however late, and is so after the updates that follow."""
    wait_for(condition, "the focus", 20)
    page.wait_for_timeout(1500)
    return condition()


def test_after_an_action_by_keyboard_the_focus_is_at_what_can_be_done_now(owner, seed):
    made = seed(state="CANCELED", tasks=["SUCCESS", "CANCELED"])
    page = owner.watch(f"/jobs/{made['job']}/")
    page.locator("#action-resume").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".a-toast-success")).to_be_visible(timeout=15_000)
    expect(page.locator("#action-resume")).to_have_count(0)
    assert comes_to_stay(page, lambda: page.evaluate(FOCUSED).startswith("action-"))


def test_after_a_dialog_by_keyboard_too(owner, seed):
    made = seed(state="IN_PROGRESS", tasks=["FAILURE", "SUCCESS", "PENDING"])
    page = owner.watch(f"/tasks/{made['tasks'][0]}/")
    page.locator("#action-reset").focus()
    page.keyboard.press("Enter")
    page.locator("dialog[open]").get_by_test_id("confirm-reset").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".a-toast-success")).to_be_visible(timeout=15_000)
    within = "() => document.getElementById('task-actions').contains(document.activeElement)"
    assert comes_to_stay(page, lambda: page.evaluate(within))


@pytest.mark.parametrize("is_still_there", [True, False])
def test_a_dialog_gives_the_focus_back_although_the_part_it_came_from_is_another_now(
    is_still_there, owner, seed
):
    """News and the end of a dialog come in any order, also before the page is painted."""
    made = seed(state="IN_PROGRESS", tasks=["FAILURE", "SUCCESS", "PENDING"])
    page = owner.watch(f"/tasks/{made['tasks'][0]}/")
    page.locator("#action-reset").focus()
    page.keyboard.press("Enter")
    page.locator("dialog[open]").get_by_test_id("confirm-reset").focus()
    page.evaluate(
        """(isStillThere) => {
            const part = document.getElementById("task-actions");
            const news = part.cloneNode(true);
            if (!isStillThere) news.querySelector("#action-reset").remove();
            part.replaceWith(news);
            document.querySelector("dialog[open]").close();
        }""",
        is_still_there,
    )
    expected = "action-reset" if is_still_there else "task-receipt"
    assert comes_to_stay(page, lambda: page.evaluate(FOCUSED) == expected)


def test_after_a_bulk_action_by_keyboard_the_focus_is_at_the_table(owner, seed):
    made = seed(state="FAILURE", tasks=["FAILURE"] * 3)
    page = owner.watch(f"/jobs/{made['job']}/")
    page.locator(f"#pick-{made['tasks'][0]}").check()
    page.locator("#bulk-reset").focus()
    page.keyboard.press("Enter")
    page.locator("dialog[open]").get_by_test_id("confirm-reset").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".a-toast-success")).to_be_visible(timeout=15_000)
    assert comes_to_stay(page, lambda: page.evaluate(FOCUSED) == "pick-all")


@pytest.mark.parametrize("way", ["dialog", "bar"])
def test_a_bulk_action_that_news_make_impossible_gives_the_focus_to_what_can_be_done(
    way, owner, seed, database
):
    made = seed(state="IN_PROGRESS", tasks=["PENDING", "PENDING"])
    job_id, task_id = made["job"], made["tasks"][0]
    page = owner.watch(f"/jobs/{job_id}/")
    page.locator(f"#pick-{task_id}").check()
    page.locator("#bulk-delete").focus()
    if way == "dialog":
        page.keyboard.press("Enter")
        expect(page.locator("dialog[open]")).to_be_visible()
    database.change(
        job_id, "UPDATE core_dicomtask SET state = 'SUCCESS', start = now() WHERE id = %s", task_id
    )
    expect(page.locator("#bulk-delete")).to_be_disabled()
    if way == "dialog":
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
    placed = "() => document.activeElement.closest('#bulk-bar, #tasks-page') !== null"
    assert comes_to_stay(page, lambda: page.evaluate(placed))


def test_a_bulk_action_after_which_no_task_fits_leaves_the_focus_at_the_filter(owner, seed):
    made = seed(state="FAILURE", tasks=["FAILURE"] * 3)
    page = owner.watch(f"/jobs/{made['job']}/?state=FAILURE")
    page.locator("#pick-all").check()
    page.locator("#bulk-reset").focus()
    page.keyboard.press("Enter")
    page.locator("dialog[open]").get_by_test_id("confirm-reset").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".a-toast-success")).to_be_visible(timeout=15_000)
    expect(page.locator("#pick-all")).to_have_count(0)
    assert comes_to_stay(page, lambda: page.evaluate(FOCUSED) == "task-state")


def test_a_bulk_action_that_no_selected_task_allows_is_shown_disabled(staff, seed):
    made = seed(state="IN_PROGRESS", tasks=["FAILURE", "PENDING", "IN_PROGRESS"])
    failed, waiting, running = made["tasks"]
    page = staff.watch(f"/jobs/{made['job']}/")
    enabled = {failed: {"reset"}, waiting: {"delete"}, running: {"kill"}}
    for task_id, names in enabled.items():
        page.locator(f"#pick-{task_id}").check()
        for name in ("reset", "kill", "delete"):
            button = page.locator(f"#bulk-{name}")
            if name in names:
                expect(button).to_be_enabled()
            else:
                expect(button).to_be_disabled()
                assert "state" in button.get_attribute("title")
        page.locator(f"#pick-{task_id}").uncheck()
    page.locator("#pick-all").check()
    for name in ("reset", "kill", "delete"):
        expect(page.locator(f"#bulk-{name}")).to_be_enabled()


@pytest.mark.parametrize("width", [360, 1440])
def test_a_page_with_a_long_timeline_ends_where_its_content_ends(width, visit, seed, database):
    made = seed(state="FAILURE", tasks=["FAILURE"])
    job_id, task_id = made["job"], made["tasks"][0]
    database.change(
        job_id,
        "INSERT INTO core_taskevent (task_id, job_id, time, level, text) "
        "SELECT %s, %s, now(), 'error', 'Failed once more.' FROM generate_series(1, 60)",
        task_id,
        job_id,
    )
    page = visit("researcher", viewport={"width": width, "height": 740}).open(f"/jobs/{job_id}/")
    ends = "() => [document.querySelector('.a-foot').getBoundingClientRect().bottom + scrollY,"
    foot, height = page.evaluate(f"{ends} document.documentElement.scrollHeight]")
    assert height <= max(foot, 740) + 40


@pytest.mark.parametrize("kind", ["job", "task"])
def test_a_stale_page_is_told_the_state_in_words_and_brought_up_to_date(
    kind, visit, seed, database
):
    made = seed(state="PENDING", tasks=["PENDING", "PENDING"])
    job_id, task_id = made["job"], made["tasks"][0]
    user = visit("researcher")
    # Neither WebSocket nor polling tells this page of the change.
    user.page.route_web_socket("**/ws/**", lambda socket: None)
    page = user.open(f"/jobs/{job_id}/" if kind == "job" else f"/tasks/{task_id}/")
    page.locator("#action-delete").click()
    database.change(
        job_id, "UPDATE core_dicomtask SET state = 'SUCCESS', start = now() WHERE id = %s", task_id
    )
    ended = "UPDATE core_dicomjob SET state = 'IN_PROGRESS', start = now() WHERE id = %s"
    database.change(job_id, ended, job_id)
    page.locator("dialog[open]").get_by_test_id("confirm-delete").click()
    words = {
        "job": f"Cannot delete job {job_id}: it is in progress.",
        "task": f"Cannot delete task 1 of job {job_id}: it has succeeded.",
    }
    expect(page.locator(".a-toast-error")).to_contain_text(words[kind])
    expect(page.locator("#action-delete")).to_have_count(0)
    shown = {"job": "job-state] [data-state=IN_PROGRESS", "task": "task-state] [data-state=SUCCESS"}
    expect(page.locator(f"[data-testid={shown[kind]}]")).to_be_visible()


def call(user, path, data=None):
    token = next(c for c in user.context.cookies() if c["name"] == "csrftoken")["value"]
    return user.context.request.post(
        f"{user.url}/api/v1/{path}", data=data or {}, headers={"X-CSRFToken": token}
    )


def test_every_action_by_api(visit, seed, database):
    users = {"owner": visit("researcher"), "staff": visit("admin")}
    for name, (before, tasks, who, after) in JOB_CASES.items():
        job_id = seed(state=before, tasks=tasks, urgent=name == "unset_urgent")["job"]
        answer = call(users[who], f"jobs/{job_id}/actions/{name}/")
        assert answer.status == 200, (name, answer.text())
        assert answer.json()["state"] == after == state_of(database, "dicomjob", job_id)
        again = call(users[who], f"jobs/{job_id}/actions/{name}/")
        assert again.status == (404 if after is None else 409), name
        assert again.headers["content-type"] == "application/problem+json"
    for name, (before, who, after) in TASK_CASES.items():
        made = seed(tasks=[before, "SUCCESS", before])
        first, _, third = made["tasks"]
        answer = call(users[who], f"tasks/{first}/actions/{name}/")
        assert answer.status == 200, (name, answer.text())
        assert answer.json()["state"] == after == state_of(database, "dicomtask", first)
        bulk = call(
            users[who], f"jobs/{made['job']}/tasks/actions/{name}/", {"tasks": [third, first]}
        )
        assert bulk.json()["done"] == [third], (name, bulk.text())
        assert [one["task"] for one in bulk.json()["refused"]] == [first]


def test_the_table_is_downloaded(owner, seed):
    made = seed(state="FAILURE", tasks=["FAILURE", "SUCCESS"], pseudonym="OUT")
    page = owner.watch(f"/jobs/{made['job']}/")
    page.locator("#task-state").select_option("FAILURE")
    expect(page.get_by_text("1–1 of 1 task")).to_be_visible()
    for form in ("csv", "xlsx"):
        with page.expect_download() as download:
            page.locator(f"#export-{form}").click()
        assert download.value.suggested_filename == f"job_{made['job']}_tasks.{form}"
    text = page.request.get(page.url).text()
    assert "1–1 of 1 task" in text or "state=FAILURE" in page.url
