"""Keyboard, narrow screens, both themes, and what axe finds."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = pytest.mark.acceptance

MIXED = ["SUCCESS", "WARNING", "FAILURE", "CANCELED", "IN_PROGRESS", "IN_PROGRESS", "PENDING"]


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["researcher", "admin"])
def test_every_page_is_clean_in_both_themes_narrow_and_wide(name, theme, width, visit, seed):
    user = visit(name, color_scheme=theme, viewport={"width": width, "height": 800})
    small = seed(owner=name, tasks=MIXED, pseudonym="AXE")
    large = seed(owner=name, state="FAILURE", tasks=["FAILURE"] * 60 + ["SUCCESS"] * 240)
    seed(owner=name, state="UNVERIFIED", tasks=["PENDING"])
    pages = ["/", "/jobs/", "/jobs/?state=CANCELING", "/api/"]
    pages += [f"/jobs/{made['job']}/" for made in (small, large)]
    pages += [f"/tasks/{small['tasks'][index]}/" for index in (2, 4, 6)]
    for path in pages:
        page = user.open(path) if path == "/api/" else user.watch(path)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        inner = page.evaluate("document.documentElement.scrollWidth")
        assert inner <= width, f"{path} is {inner} wide"
    page = user.watch(f"/jobs/{large['job']}/")
    page.locator("#pick-all").check()
    page.locator("#bulk-reset").click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert user.errors == []


def test_a_job_is_worked_on_by_keyboard(owner, seed):
    made = seed(state="FAILURE", tasks=["FAILURE", "SUCCESS"])
    page = owner.watch(f"/jobs/{made['job']}/")
    page.locator(f"#pick-{made['tasks'][0]}").focus()
    page.keyboard.press("Space")
    page.locator("#bulk-reset").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#bulk-reset")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("dialog[open]").get_by_test_id("confirm-reset").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".a-toast-success")).to_contain_text("1 task is reset")


def test_the_place_is_kept_on_the_way_back_from_a_task(owner, seed):
    made = seed(state="FAILURE", tasks=["FAILURE"] * 120)
    page = owner.watch(f"/jobs/{made['job']}/")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("51–100 of 120 tasks")).to_be_visible()
    page.get_by_role("link", name="Task 60", exact=True).click()
    page.wait_for_url("**/tasks/*/")
    page.go_back()
    expect(page.get_by_text("51–100 of 120 tasks")).to_be_visible()
    page.get_by_label("Search tasks").fill("PAT0007")
    expect(page.get_by_text("1–1 of 1 task")).to_be_visible()
    assert "PAT" not in page.url
    page.get_by_role("link", name="Task 7", exact=True).click()
    page.wait_for_url("**/tasks/*/")
    page.go_back()
    expect(page.get_by_text("1–1 of 1 task")).to_be_visible()
