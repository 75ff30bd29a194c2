"""Tells at the end of a run how many cells of the table obeyed."""

from __future__ import annotations

import pytest

_OF_THE_TABLE = (
    "test_table.py::test_the_basic_profile_obeys_the_row",
    "test_table.py::test_an_option_obeys_the_row",
    "test_table.py::test_the_other_options_leave_the_row_alone",
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter):
    counts = {
        outcome: sum(
            dict(report.user_properties).get("cells", 1)
            for report in terminalreporter.stats.get(outcome, ())
            if any(name in report.nodeid for name in _OF_THE_TABLE)
        )
        for outcome in ("passed", "failed")
    }
    total = sum(counts.values())
    if total:
        terminalreporter.write_line(
            f"{counts['passed']} of {total} cells of PS3.15 Table E.1-1 obeyed, at the top and in "
            "a sequence"
        )
