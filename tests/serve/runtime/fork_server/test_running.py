"""A fork server lives exactly as long as the block that runs it."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from serve.runtime.fork_server import process, running
from tests.support.polling import until

SLOW = """
import os, signal
from pathlib import Path
Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
signal.pause()
"""


def test_a_fork_that_still_imports_ends_with_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_module.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv(process.SWITCH, raising=False)
    with running.forking_workers(str(tmp_path), ("json",), ("slow_module",)) as forked:
        assert forked()
        number = until(lambda: (file := tmp_path / "slow_module.pid").exists() and file.read_text())
        importing = psutil.Process(int(number))
        assert importing.ppid() != os.getpid(), "the worker is a fork of the server"
    until(lambda: not importing.is_running() or importing.status() == psutil.STATUS_ZOMBIE)
    until(lambda: not forked())


def test_without_forks_none_are_forked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(process.SWITCH, "0")
    with running.forking_workers(str(tmp_path), ("json",)) as forked:
        assert not forked()
