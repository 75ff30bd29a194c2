"""ADIT's command line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

ROOT = Path(__file__).resolve().parent

app = typer.Typer(
    help="ADIT, Automated DICOM Transfer: try it, test it, work on it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def _fail(error: object) -> typer.Exit:
    errors.print(str(error), style="red", markup=False, soft_wrap=True)
    return typer.Exit(1)


def _arguments(context: typer.Context) -> list[str]:
    """What follows the command; a first `--` only separates."""
    arguments = list(context.args)
    return arguments[1:] if arguments[:1] == ["--"] else arguments


Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the web server.")]
Reset = Annotated[bool, typer.Option("--reset", help="Delete all data of earlier runs first.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]


@app.command()
def demo(port: Port = 8000, reset: Reset = False, no_browser: NoBrowser = False) -> None:
    """Run the whole system on this machine, with example data, until Ctrl-C.

    Needs neither Docker nor configuration nor root: PostgreSQL comes with the Python packages,
    and where Orthanc is not installed, two embedded test PACS stand in. All data are below
    `.adit/demo`, the logs below `.adit/logs/demo`. Ports that are taken are replaced.
    """
    _run_system("demo", port, reset, no_browser, reload=False)


@app.command()
def dev(port: Port = 8000, reset: Reset = False, no_browser: NoBrowser = True) -> None:
    """Like `demo`, with debug pages, and each process starts anew when its code changes.

    Its data are below `.adit/dev`, apart from the demo's.
    """
    _run_system("dev", port, reset, no_browser, reload=True)


def _run_system(name: str, port: int, reset: bool, no_browser: bool, reload: bool) -> None:
    from adit.stack.demo import Demo, Options
    from adit.stack.postgres_cluster import PostgresError
    from adit.stack.supervisor import ServiceFailed

    options = Options(name=name, port=port, reset=reset, browser=not no_browser, reload=reload)
    try:
        Demo(ROOT, options, console).run()
    except PostgresError as err:
        raise _fail(
            f"{err}\nDoes `cli {name}` run already?" if "in use" in str(err) else err
        ) from err
    except ServiceFailed as err:
        raise _fail(err) from err
    console.print("Everything is stopped.")


@app.command(context_settings=_PASS_ON)
def test(context: typer.Context) -> None:
    """Run the tests; all arguments go to pytest: paths, `-k`, `-m acceptance`, `--cov`.

    Starts a PostgreSQL for this run and installs the programs that the tests need (Orthanc,
    DCMTK, Chromium) where it may.
    """
    from adit.stack.packages import MissingPackages
    from adit.stack.postgres_cluster import PostgresError
    from adit.stack.testing import run_tests

    try:
        code = run_tests(ROOT, _arguments(context))
    except (MissingPackages, PostgresError) as err:
        raise _fail(err) from err
    raise typer.Exit(code)


@app.command()
def lint() -> None:
    """Check style, types, templates, layers, file lengths; change nothing."""
    from adit.stack.linting import run_checks

    failed = 0
    for outcome in run_checks(ROOT):
        state = "[green]ok    [/]" if outcome.passed else "[red]failed[/]"
        console.print(f"{state} {outcome.name} ({outcome.seconds:.1f} s)")
        if not outcome.passed:
            failed += 1
            console.print(outcome.output, markup=False, soft_wrap=True)
    if failed:
        raise _fail(f"{failed} of the checks failed.")


@app.command()
def format_code() -> None:
    """Format Python files and templates."""
    from adit.stack.linting import format_code

    if not format_code(ROOT):
        raise _fail("Some findings cannot be mended by a tool; see `cli lint`.")


@app.command()
def copy_statics() -> None:
    """Fetch the front-end libraries of package.json with npm and copy them to the static files."""
    from adit.stack.statics import StaticsError
    from adit.stack.statics import copy_statics as copy

    try:
        for line in copy(ROOT):
            console.print(line)
    except StaticsError as err:
        raise _fail(err) from err


@app.command()
def init_workspace() -> None:
    """Write `.env` from `example.env` with fresh secrets; never overwrite one."""
    from adit.stack.workspace import write_dotenv

    try:
        console.print(f"Wrote {write_dotenv(ROOT)}.")
    except FileExistsError as err:
        raise _fail(err) from err


@app.command(context_settings=_PASS_ON)
def shell(context: typer.Context) -> None:
    """Open a Python shell with Django, on the running `dev` or `demo` if there is one.

    Arguments go to Django's `shell` command, for instance `-c "print(1)"`.
    """
    from adit.stack.demo import running_environment

    name, environment = running_environment(ROOT)
    if name:
        errors.print(f"On the running {name}.")
    command = [sys.executable, "manage.py", "shell", *_arguments(context)]
    raise typer.Exit(
        subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}).returncode
    )


@app.command()
def lock(
    check: Annotated[bool, typer.Option("--check", help="Only prove that the pins hold.")] = False,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Take the newest versions.")] = False,
) -> None:
    """Pin all packages: exact versions in pyproject.toml, and hashes in requirements.txt."""
    from adit.stack.pins import PinsError, check_pins, write_pins

    try:
        if check:
            check_pins(ROOT)
            console.print("The pins hold.")
        else:
            console.print(f"Pinned {write_pins(ROOT, upgrade=upgrade)} packages.")
    except PinsError as err:
        raise _fail(err) from err


def main() -> None:
    app()


if __name__ == "__main__":
    main()
