"""End the process of a test session with pytest's own exit status, whatever native threads do.

All that ends a Python process still happens: threads are joined, and what other modules gave `atexit` runs.
Left out are the interpreter's own end and the destructors of C++ libraries (Ray, gRPC, torch, OpenCV), beside
which their threads go on: a session whose tests had all passed once ended with 139 (SIGSEGV) there.
"""

from __future__ import annotations

import atexit
import os
import sys

import pytest

_sessions: list[pytest.Session] = []


def pytest_sessionstart(session: pytest.Session) -> None:
    _sessions.append(session)


@atexit.register  # The first to register is the last to run: this module is imported before any test is.
def _end() -> None:
    """End the process at once; where no session began, let it end as it would."""
    if _sessions:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(_sessions[0].exitstatus))
