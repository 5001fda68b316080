"""End the process of a test session with pytest's own exit status, whatever native threads do.

The usual steps at exit still happen: threads are joined, and the `atexit` functions of other modules run.
Skipped are the interpreter's finalization and the destructors of C++ libraries (Ray, gRPC, torch, OpenCV),
whose threads still run by then: a session whose tests had all passed once ended with 139 (SIGSEGV) there.
"""

from __future__ import annotations

import atexit
import os
import sys

import pytest

_sessions: list[pytest.Session] = []


def pytest_sessionstart(session: pytest.Session) -> None:
    _sessions.append(session)


@atexit.register  # Runs last, since it registers first: this module is imported before any test.
def _end() -> None:
    """End the process at once; if no session began, let it end normally."""
    if _sessions:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(_sessions[0].exitstatus))
