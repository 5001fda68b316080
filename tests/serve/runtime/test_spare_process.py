"""The conditions for keeping a spare process, tested without a Ray."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from serve.runtime import spare_process


def test_one_is_kept_only_while_workers_are_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared, forked = list[str](), [True, True, False, True]
    ended = threading.Event()

    def are_forked() -> bool:
        if len(forked) == 1:
            ended.set()
        return forked.pop(0)

    task = SimpleNamespace(remote=lambda: prepared.append(f"with {len(forked)} looks left"))
    remote = SimpleNamespace(remote=lambda **options: lambda function: task, get=lambda ref, timeout: None)
    monkeypatch.setattr(spare_process, "ray", remote)
    monkeypatch.setattr(spare_process, "EVERY_S", 0.0)
    spare_process._keep_ready(ended, are_forked)
    assert prepared == ["with 1 looks left"]
