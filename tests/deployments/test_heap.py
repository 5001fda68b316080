"""Freeze a heap only once, even in a fork of a frozen process."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from deployments import heap


@pytest.fixture(autouse=True)
def frozen_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(heap, "_frozen", [])
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()  # As before (tests/support/frozen_heap.py).


def test_what_a_frozen_process_has_imported_since_is_frozen_too() -> None:
    gc.freeze()
    since = [[number] for number in range(1_000)]
    assert gc.is_tracked(since) and any(each is since for each in gc.get_objects())
    heap.freeze()
    assert not any(each is since for each in gc.get_objects())


def test_only_the_first_call_counts() -> None:
    heap.freeze()
    since = [[number] for number in range(10)]
    heap.freeze()
    assert any(each is since for each in gc.get_objects())
