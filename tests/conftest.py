"""Settings of all tests, and the fixture by which the fault drill records its rows (scripts/bench faults)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.support.drill_row import Row
from tests.support.ending import pytest_sessionstart as pytest_sessionstart
from tests.support.frozen_heap import pytest_collection_finish as pytest_collection_finish
from tests.support.workers import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.support.workers import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler

# A shell's background jobs ignore SIGINT, and every program that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Ray gives its workers a niceness of 15: they would wait for everything else that runs beside the tests.
os.environ.setdefault("RAY_worker_niceness", "0")

NOT_TESTED = "NOT tested"
"""A skip whose reason has these words is listed in the summary."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report what could not be tested on this machine, each reason once."""
    reasons = {str(report.longrepr[2]) for report in terminalreporter.getreports("skipped")}
    for reason in sorted(each for each in reasons if NOT_TESTED in each):
        terminalreporter.write_line(reason.removeprefix("Skipped: ").upper(), red=True, bold=True)


@pytest.fixture
def row(record_property: Callable[[str, object], None]) -> Row:
    return Row(record_property)
