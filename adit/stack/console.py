"""What `cli demo` shows: a line for each service, then where everything is."""

import threading
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table

from adit.stack.supervisor import Running, State

_STYLES = {
    State.WAITING: "dim",
    State.STARTING: "yellow",
    State.READY: "green",
    State.DONE: "green",
    State.CRASHED: "bold red",
    State.FAILED: "bold red",
    State.STOPPING: "yellow",
    State.STOPPED: "dim",
}
_TOLD = (State.READY, State.DONE, State.CRASHED, State.FAILED, State.STOPPED)


class StatusBoard:
    """Shows the services: in a terminal as a table that stays up to date, elsewhere (a log, a
    pipe) as a line for each change."""

    def __init__(self, console: Console, notes: Mapping[str, str] | None = None) -> None:
        self._console = console
        self._notes = notes or {}
        self._lines: dict[str, tuple[State, float, str]] = {}
        self._lock = threading.Lock()
        self._footer: RenderableType = ""
        self._live = (
            Live(console=console, get_renderable=self._render, refresh_per_second=8)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> "StatusBoard":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def expect(self, names: list[str]) -> None:
        """List the services before the first of them starts."""
        with self._lock:
            self._lines = {name: (State.WAITING, 0.0, "") for name in names}

    def update(self, running: Running) -> None:
        """Show the new state of a service."""
        name, seconds = running.service.name, running.seconds
        with self._lock:
            self._lines[name] = (running.state, seconds, running.detail)
        if self._live is None and running.state in _TOLD:
            parts = [f"{name:<18}", running.state.value]
            if running.state in (State.READY, State.DONE):
                parts.append(f"after {seconds:.1f} s")
            parts += [part for part in (running.detail, self._notes.get(name)) if part]
            self._console.print(" ".join(parts), markup=False)

    def show_below(self, footer: RenderableType) -> None:
        """Show something for good below the services."""
        if self._live is None:
            self._console.print(footer)
        else:
            self._footer = footer

    def _render(self) -> RenderableType:
        table = Table(box=None, show_header=False, pad_edge=False)
        with self._lock:
            lines = dict(self._lines)
        for name, (state, seconds, detail) in lines.items():
            took = f"{seconds:.1f} s" if state in (State.READY, State.DONE) else ""
            note = detail or self._notes.get(name, "")
            table.add_row(name, f"[{_STYLES[state]}]{state.value}[/]", took, note)
        return Group(table, self._footer) if self._footer else table


def address_table(addresses: Mapping[str, str], logins: Mapping[str, str]) -> RenderableType:
    """Where everything is and who may log in."""
    where = Table(title="Addresses", title_justify="left", show_header=False, min_width=60)
    for name, address in addresses.items():
        where.add_row(name, address)
    who = Table("User", "Password", title="Log in as", title_justify="left", min_width=60)
    for name, password in logins.items():
        who.add_row(name, password)
    return Group("", where, "", who, "", "Ctrl-C stops everything.")
