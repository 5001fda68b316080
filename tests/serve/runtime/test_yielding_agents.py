"""The helpers of Ray's node run with a niceness, and nothing else does."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from ray._private import services

from serve.runtime.yielding_agents import yielding_agents

COMMAND = [
    "raylet",
    "--node_id=1",
    "--dashboard_agent_command=python agent.py",
    "--runtime_env_agent_command=x",
]


@pytest.mark.parametrize("nice", ["/usr/bin/nice", None])
def test_helpers_run_by_nice_where_it_is_installed(monkeypatch: pytest.MonkeyPatch, nice: str | None) -> None:
    started: list[Any] = []
    monkeypatch.setattr(services, "start_ray_process", lambda command, kind: started.append((command, kind)))
    monkeypatch.setattr(shutil, "which", lambda name: nice)
    before = services.start_ray_process
    with yielding_agents():
        services.start_ray_process(COMMAND, "raylet")
    assert services.start_ray_process is before
    by = "/usr/bin/nice -n 19 " if nice else ""
    helpers = [f"--dashboard_agent_command={by}python agent.py", f"--runtime_env_agent_command={by}x"]
    assert started == [([*COMMAND[:2], *helpers], "raylet")]
