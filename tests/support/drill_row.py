"""Record a row of the fault drill: the promise that a test checks, and the outcome."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.ending import pytest_sessionstart as pytest_sessionstart


class Row:
    """One row of docs/reliability.md: the fault, the promised behaviour, and the observed one."""

    def __init__(self, record_property: Callable[[str, object], None]) -> None:
        self._record = record_property

    def promises(self, fault: str, promise: str) -> None:
        self._record("fault", fault)
        self._record("promise", promise)

    def saw(self, seen: str) -> None:
        self._record("seen", seen)
