"""What the tests of all apps share."""

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import expect

from adit.stack.running import RunningSystem

# A loaded machine is no fault of what is tested: speed is measured in `benchmarks`.
hypothesis.settings.register_profile(
    "adit", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("adit")

ROOT = Path(__file__).resolve().parent.parent

# Debian's Chromium; the flags keep it from calling hosts outside and let it run as root.
CHROMIUM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Thousands of tests are objects that stay: they are never searched for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    from adit.core.tests.emptying import use_quick_emptying  # needs the settings

    use_quick_emptying()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    # What comes late on a loaded machine comes; what must be quick says so itself.
    expect.set_options(timeout=20_000)
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": CHROMIUM_FLAGS}


@pytest.fixture(scope="session")
def system():
    """The whole system, started from nothing as `cli demo` does it."""
    with RunningSystem(ROOT, "acceptance") as running:
        yield running
