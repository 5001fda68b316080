"""A fork server is started early only if the service would use its imports."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from serve.runtime.fork_server import process
from tests.support.polling import until


@pytest.fixture(autouse=True)
def laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(process.SWITCH, raising=False)
    monkeypatch.setattr(process, "DEVICES", ())
    monkeypatch.setattr(process, "EARLY", ("json",))


def begun() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if process.BEGIN in each.cmdline()]


def test_it_is_begun_and_ends_with_the_block() -> None:
    with process.begun_early("serve/local.yaml"):
        (server,) = begun()
    until(lambda: not server.is_running())


def test_a_service_takes_it_and_others_start_their_own() -> None:
    with process.begun_early("serve/local.yaml"):
        early, own = process.taken(), process.taken()
        assert len(begun()) == 2 and early is not own
        early.end()
        own.end()
    assert begun() == []


@pytest.mark.parametrize("config", ["serve/simulated.yaml", "nowhere.yaml"])
def test_nothing_is_begun_that_nobody_would_use(config: str) -> None:
    with process.begun_early(config):
        assert begun() == []


def test_a_gpu_or_the_switch_leaves_it_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "DEVICES", (str(tmp_path),))
    with process.begun_early("serve/local.yaml"):
        assert begun() == []
    monkeypatch.setattr(process, "DEVICES", ())
    monkeypatch.setenv(process.SWITCH, "0")
    with process.begun_early("serve/local.yaml"):
        assert begun() == []
