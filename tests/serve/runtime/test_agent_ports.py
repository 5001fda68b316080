"""Ray's node does not wait for its helpers' ports, since a limit of 30 s in its binary would end it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from ray import _raylet
from ray._private import services

from serve.runtime import agent_ports

NODE = "0" * 56


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replace `start_raylet` by a recorder of its calls, with Ray's own signature."""
    calls: list[dict[str, Any]] = []
    signature = inspect.signature(services.start_raylet)

    def start_raylet(*arguments: Any, **options: Any) -> str:
        calls.append(signature.bind_partial(*arguments, **options).arguments)
        return "started"

    start_raylet.__signature__ = signature  # type: ignore[attr-defined]
    monkeypatch.setattr(services, "start_raylet", start_raylet)
    return calls


def call(session: Path, **options: Any) -> Any:
    """Call `start_raylet` as Ray does: with all required parameters, the first one by position."""
    needed = [
        name
        for name, parameter in inspect.signature(services.start_raylet).parameters.items()
        if parameter.default is parameter.empty
    ]
    first, *rest = needed
    values = dict.fromkeys(rest, "") | {"session_dir": str(session), "node_id": NODE}
    return services.start_raylet(first, **(values | options))


def reported(session: Path, name: str) -> int:
    """Return the port that the node reads; raise an error if it would have to wait."""
    return int(_raylet.wait_for_persisted_port(str(session), NODE, name, timeout_ms=0))


def test_each_helper_has_a_port_of_its_own_and_the_node_knows_it(
    tmp_path: Path, started: list[dict[str, Any]]
) -> None:
    given = services.start_raylet
    with agent_ports.announced_ports():
        assert call(tmp_path, **dict.fromkeys(agent_ports.PORTS, 0)) == "started"
    assert services.start_raylet is given
    ports = [started[0][name] for name in agent_ports.PORTS]
    assert len(set(ports)) == 4
    assert 0 not in ports
    assert [reported(tmp_path, name) for name in agent_ports.PORTS.values()] == ports


def test_a_port_that_was_chosen_already_stays(tmp_path: Path, started: list[dict[str, Any]]) -> None:
    with agent_ports.announced_ports():
        call(tmp_path, metrics_export_port=8_080)
    assert started[0]["metrics_export_port"] == 8_080
    assert reported(tmp_path, _raylet.METRICS_EXPORT_PORT_NAME) == 8_080


def test_ray_is_started_with_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from serve.runtime import private_ray

    usual, seen = services.start_raylet, []
    monkeypatch.setattr(private_ray.ray, "init", lambda **options: seen.append(services.start_raylet))
    private_ray.start(1, str(tmp_path), print)
    assert len(seen) == 1
    assert seen[0] is not usual
