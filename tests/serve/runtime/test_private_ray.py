"""A Ray that is slow to start is waited for, and one that does not start ends in a sentence."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray._private.node import Node

from serve.runtime import private_ray
from serve.runtime.start_errors import CannotStart
from tests.support.polling import until


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_ray, "POLL_S", 0.001)


def fails(error: Exception) -> Any:
    def init(**options: Any) -> None:
        raise error

    return init


def test_a_node_that_registers_late_is_waited_for(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    """Ray gives up after 30 s; here the node is found only after 300 lookups."""
    requested = []

    def get_node(address: str, node: str) -> dict[str, str]:
        requested.append(node)
        if len(requested) < 300:
            raise RuntimeError("no such node")
        return {"node": node}

    monkeypatch.setattr(private_ray.services, "get_node", get_node)
    monkeypatch.setattr(private_ray, "node_lives", lambda: True)
    with private_ray.patient_for_the_node():
        assert private_ray.services.get_node("address", "n") == {"node": "n"}
    assert private_ray.services.get_node is get_node


@pytest.mark.parametrize(("lives", "longest_s"), [(False, 300.0), (True, 0.0)])
def test_a_node_that_is_gone_or_far_too_late_is_not(
    monkeypatch: pytest.MonkeyPatch, impatient: None, lives: bool, longest_s: float
) -> None:
    def get_node() -> None:
        raise RuntimeError("no such node")

    monkeypatch.setattr(private_ray.services, "get_node", get_node)
    monkeypatch.setattr(private_ray, "node_lives", lambda: lives)
    monkeypatch.setattr(private_ray, "LONGEST_START_S", longest_s)
    with private_ray.patient_for_the_node(), pytest.raises(RuntimeError):
        private_ray.services.get_node()


@pytest.mark.parametrize(
    ("there", "what"),
    [
        ((), "Ray's first process to start"),
        (("logs/gcs_server.out",), "Ray's control service to listen"),
        (("logs/raylet.out",), "Ray's node to register"),
    ],
)
def test_what_is_waited_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], what: str
) -> None:
    for file in there:
        place = tmp_path / "session_latest" / file
        place.parent.mkdir(parents=True)
        place.touch()
    late = Exception("The current node timed out during startup. This could happen because …")
    monkeypatch.setattr(private_ray.ray, "init", fails(late))
    with pytest.raises(CannotStart) as caught:
        private_ray.start(1, str(tmp_path), print)
    message = rf"Ray did not start in \d+ s, while waiting for {what}: this machine is too busy: "
    assert re.match(message, str(caught.value))


def test_a_ray_that_gave_up_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = Exception("The current node timed out during startup. This could happen because …")
    outcomes = iter([late, late, None])

    def init(**options: Any) -> None:
        if outcome := next(outcomes):
            raise outcome

    said: list[str] = []
    monkeypatch.setattr(private_ray.ray, "init", init)
    private_ray.start(1, str(tmp_path), said.append)
    assert [line.rpartition(": ")[2] for line in said] == ["starting it again…", "starting it again…"]


def test_nothing_of_a_ray_that_gave_up_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves no zombie either: Python would warn about a subprocess that was never waited for."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    environment = {**os.environ, "RAY_TMPDIR": str(tmp_path)}
    begun: list[subprocess.Popen[bytes]] = []

    class LateNode(Node):
        def __init__(self) -> None:
            process = subprocess.Popen(command, env=environment)
            begun.append(process)
            until(lambda: b"RAY_TMPDIR" in Path(f"/proc/{process.pid}/environ").read_bytes())
            self.all_processes = {"raylet": [SimpleNamespace(process=process)]}
            raise Exception("The current node timed out during startup.")

    def init(**options: Any) -> None:
        if not begun:
            LateNode()

    monkeypatch.setattr(private_ray.ray, "init", init)
    private_ray.start(1, str(tmp_path), lambda text: None)
    assert [process.returncode for process in begun] == [-signal.SIGKILL]


@pytest.mark.parametrize(
    "error",
    [ConnectionError("no\nroute"), RuntimeError("no room"), OSError(28, "No space left"), TimeoutError()],
)
def test_whatever_ray_says_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(private_ray.ray, "init", fails(error))
    with pytest.raises(CannotStart) as caught:
        private_ray.start(1, str(tmp_path), print)
    assert "\n" not in str(caught.value)
    message = r"Ray did not start in \d+ s, while waiting for Ray's first process to start: "
    assert re.match(message, str(caught.value))


def test_ray_s_own_limits_are_raised() -> None:
    longest_s = private_ray.LONGEST_START_S
    assert float(private_ray.PRIVATE["RAY_gcs_server_port_wait_time_s"]) == longest_s
    assert float(private_ray.PRIVATE["RAY_agent_register_timeout_ms"]) == longest_s * 1e3


def test_settings_for_a_service_at_rest_give_way_to_the_users() -> None:
    name = "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS"
    assert private_ray.at_rest({}) == private_ray.UNLESS_SET
    assert private_ray.UNLESS_SET.keys() - private_ray.at_rest({name: "100"}).keys() == {name}
