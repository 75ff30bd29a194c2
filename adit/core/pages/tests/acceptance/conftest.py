"""Browsers of two users in front of one running system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import psycopg
import pytest

TASK_STATES = ("SUCCESS", "WARNING", "FAILURE", "CANCELED", "IN_PROGRESS", "PENDING")


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} seconds")


@pytest.fixture(scope="session")
def _seeder(system) -> Iterator[subprocess.Popen[str]]:
    """A process with Django: it takes seconds to start, and Playwright's thread is not for it."""
    environment = {**os.environ, **system.state["environment"]}
    command = [sys.executable, "-m", "adit.core.pages.tests.acceptance.seed"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=system.root, env=environment, stdin=pipe, stdout=pipe, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _ask(seeder: Any, **what: Any) -> Any:
    seeder.stdin.write(json.dumps(what) + "\n")
    seeder.stdin.flush()
    answer = json.loads(seeder.stdout.readline())
    assert "error" not in answer, answer["error"]
    return answer


@pytest.fixture
def seed(_seeder):
    """Put a job into the system that only the test moves; returns the ids of it and its tasks."""

    def do(owner: str = "researcher", state: str = "IN_PROGRESS", tasks=(), **more: Any) -> Any:
        return _ask(_seeder, owner=owner, state=state, tasks=list(tasks), **more)

    return do


@pytest.fixture
def database(system):
    """Look into the database of the running system, or write and tell the pages."""

    class Database:
        def ask(self, statement: str, *values: Any) -> Any:
            with psycopg.connect(system.database_url) as connection:
                return connection.execute(statement.encode(), values).fetchone()

        def change(self, job_id: int, statement: str, *values: Any) -> None:
            with psycopg.connect(system.database_url) as connection:
                connection.execute(statement.encode(), values)
                connection.execute("SELECT pg_notify('adit_job', %s)", [str(job_id)])

    return Database()


class Visitor:
    """A user with a browser of his own, logged in by `cookies`.

    Other tests log in by the page, which costs seconds of computing.
    """

    def __init__(self, context: Any, url: str, name: str, cookies: dict[str, str]) -> None:
        self.context, self.url, self.name = context, url, name
        self.page = context.new_page()
        self.errors: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        context.add_cookies(
            [{"name": key, "value": value, "url": url} for key, value in cookies.items()]
        )

    def _note(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def open(self, path: str) -> Any:
        self.page.goto(self.url + path)
        return self.page

    def watch(self, path: str) -> Any:
        """Open a page and wait until it is live."""
        self.open(path)
        self.page.locator("[data-live-state=live]").wait_for(timeout=30_000)
        return self.page


@pytest.fixture
def visit(browser, system, _seeder):
    """Let a user come with a browser of his own."""
    contexts = []

    def do(name: str, **options: Any) -> Visitor:
        context = browser.new_context(**options)
        contexts.append(context)
        return Visitor(context, system.url, name, _ask(_seeder, log_in=name))

    yield do
    for context in contexts:
        context.close()


@pytest.fixture
def owner(visit):
    return visit("researcher")


@pytest.fixture
def staff(visit):
    return visit("admin")


@pytest.fixture
def web_processes(system):
    """The processes of the web server."""

    def find() -> list[psutil.Process]:
        children = psutil.Process(system._process.pid).children(recursive=True)
        return [child for child in children if "daphne" in child.cmdline()]

    return find
