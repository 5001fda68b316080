"""The machine's clock is set while work is in progress: by an administrator, or by NTP after a bad boot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from deployments.background import Background
from deployments.character import Character
from deployments.diffusion.painter import Painting
from deployments.diffusion.simulated.simulated_painter import SimulatedPainter
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.drill_row import Row
from tests.support.job_requests import ended, submit, working
from tests.support.local_service import config, graph, local_handle, served, simulated_config

__all__ = ["config", "graph"]

SCENE = {"character": "a", "background": "b", "seed": 42, "merge": {"width": 256, "height": 128}}
NEVER = 7
"""The seed of a scene that takes five seconds longer than can be foreseen."""
JUMPS = pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0], ids=["forward", "back"])


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock by so many seconds, for all code in this process that reads the time."""
    true_time, offset = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: true_time() + offset[0])

    def jump(seconds: float) -> None:
        offset[0] += seconds

    return jump


@pytest.fixture(scope="module")
def slow(graph: Graph) -> Graph:
    """Return a graph whose layers take half a second, so that the clock can jump meanwhile."""
    settings = simulated_config(step_s=0.02)
    return replace(
        graph,
        character=local_handle(Character, settings.character.generator),
        background=local_handle(Background, settings.background.generator),
    )


def client_of(config: ServiceConfig, graph: Graph) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(served(build_http(config, graph)), raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)


def way(jump_s: float) -> str:
    return f"the clock set a day {'forward' if jump_s > 0 else 'back'}"


@JUMPS
async def test_a_scene_under_way(
    config: ServiceConfig,
    slow: Graph,
    row: Row,
    set_clock: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    jump_s: float,
) -> None:
    row.promises(
        f"{way(jump_s)} while scenes are painted", "they are painted; deadlines are kept as they were"
    )
    set_at: list[float] = []
    measured = SimulatedPainter.step

    def step(self: SimulatedPainter, paintings: Sequence[Painting]) -> None:
        if not set_at and paintings[0].done == 5:
            set_at.append(time.monotonic())
            set_clock(jump_s)
        measured(self, paintings)
        if any(painting.request.seed == NEVER for painting in paintings):
            time.sleep(0.2)

    monkeypatch.setattr(SimulatedPainter, "step", step)
    async with client_of(config, slow) as http:
        assert (await http.post("/v1/scenes", json=SCENE)).status_code == 200
        set_at.clear()
        late = await http.post("/v1/scenes", json=SCENE | {"seed": NEVER, "deadline_s": 2})
        assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline_exceeded")
        took_s = time.monotonic() - set_at[0]
    row.saw(f"200; and 504 {took_s:.1f} s after it was set, of a deadline of 2 s")


@JUMPS
async def test_a_job_under_way(
    config: ServiceConfig,
    slow: Graph,
    tmp_path: Path,
    row: Row,
    set_clock: Callable[[float], None],
    jump_s: float,
) -> None:
    row.promises(f"{way(jump_s)} while a job is worked off", "each scene is painted, and kept once")
    jobs = replace(config.jobs, poll_s=0.02, lease_s=5.0)
    mine = config.model_copy(update={"state_dir": str(tmp_path), "jobs": jobs})
    async with client_of(mine, slow) as http, working(mine, slow):
        job_id = await submit(http, *(SCENE | {"seed": seed} for seed in range(4)))
        async with asyncio.timeout(60):
            while (await http.get(f"/v1/jobs/{job_id}")).json()["status"] != "running":
                await asyncio.sleep(0.01)
        set_clock(jump_s)
        job = await ended(http, job_id)
        kept = await http.get(f"/v1/jobs/{job_id}/scenes/3")
        painted = await http.post("/v1/scenes", json=SCENE | {"seed": 3})
    assert (job["status"], job["done"], job["failed"]) == ("succeeded", 4, 0)
    assert kept.content == painted.content
    row.saw("4 of 4 scenes, as they would have been")
