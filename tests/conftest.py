"""The fault drill's rows: such a test says what is promised and what it saw (scripts/bench faults)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.support.drill_row import Row
from tests.support.ending import pytest_sessionstart as pytest_sessionstart

# In the background of a shell SIGINT is ignored, and every program that a test starts would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Ray gives its workers a niceness of 15: they would wait for whatever else runs beside the tests.
os.environ.setdefault("RAY_worker_niceness", "0")


@pytest.fixture
def row(record_property: Callable[[str, object], None]) -> Row:
    return Row(record_property)
