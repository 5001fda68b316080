"""The fault drill's rows: such a test says what is promised and what it saw (scripts/bench faults)."""

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

# In the background of a shell SIGINT is ignored, and every program that a test starts would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Ray gives its workers a niceness of 15: they would wait for whatever else runs beside the tests.
os.environ.setdefault("RAY_worker_niceness", "0")

NOT_TESTED = "NOT tested"
"""The words in a skip's reason that put it into the summary."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write what could not be tested on this machine, once for each reason."""
    reasons = {str(report.longrepr[2]) for report in terminalreporter.getreports("skipped")}
    for reason in sorted(each for each in reasons if NOT_TESTED in each):
        terminalreporter.write_line(reason.removeprefix("Skipped: ").upper(), red=True, bold=True)


@pytest.fixture
def row(record_property: Callable[[str, object], None]) -> Row:
    return Row(record_property)
