"""Machines whose clocks differ, as on nodes without NTP."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from deployments.errors import DeadlineExceeded
from deployments.messages import LayerJob
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.jobs.job_ids import new_job_id
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from tests.support.another_machine import Gathering, machine
from tests.support.databases import clear, postgres
from tests.support.drill_row import Row
from tests.support.local_service import config, graph, served, simulated_config

__all__ = ["config", "graph", "postgres"]

SCENE = {"character": "a", "background": "b", "seed": 42, "merge": {"width": 256, "height": 128}}
APART = pytest.mark.parametrize("ahead_s", [600.0, -600.0], ids=["ahead", "behind"])


def way(ahead_s: float) -> str:
    return f"ten minutes {'ahead' if ahead_s > 0 else 'behind'}"


@APART
async def test_a_generators_machine(
    config: ServiceConfig, graph: Graph, row: Row, ahead_s: float, tmp_path: Path
) -> None:
    row.promises(
        f"a generator's machine whose clock is {way(ahead_s)}",
        "scenes are painted as by any other, and their deadlines kept",
    )
    generator = simulated_config(step_s=0.02).character.generator
    with machine(generator, ahead_s) as far:
        character: Any = far
        merger: Any = Gathering(graph.merger)
        there = replace(graph, character=character, merger=merger)
        transport = httpx.ASGITransport(served(build_http(config, there)), raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
            painted = await http.post("/v1/scenes", json=SCENE | {"deadline_s": 60})
        assert painted.status_code == 200, painted.text
        begun = time.monotonic()
        job = LayerJob(
            request_id="id",
            kind="character",
            prompt="a",
            num_inference_steps=400,
            guidance_scale=7.5,
            seed=1,
            width_px=256,
            height_px=256,
            deadline_at=begun + 0.5,
            fallback="none",
        )
        with pytest.raises(DeadlineExceeded):
            await far.remote(job)
        took_s = time.monotonic() - begun
    assert took_s < 6, "without the deadline it would have painted for eight seconds"
    row.saw(f"200 of a deadline of 60 s; and a layer of 8 s given up after {took_s:.1f} s of 0.5 s")


@APART
def test_a_workers_machine(
    postgres: Engine, row: Row, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    row.promises(
        f"a job worker's machine whose clock is {way(ahead_s)}",
        "it takes no scene that another worker paints, and loses none of its own (PostgreSQL)",
    )
    clear(postgres)
    store, leases = JobStore(postgres), Leases(postgres, lease_s=15, max_attempts=3, max_losses=4)
    job_id = store.submit(new_job_id(), "me", [NewScene("{}", 60.0)] * 4)
    here = [claim for _ in range(2) if (claim := leases.claim())]
    reported = time.time
    monkeypatch.setattr(time, "time", lambda: reported() + ahead_s)
    assert leases.recover() == 0
    there = [claim for _ in range(2) if (claim := leases.claim())]
    monkeypatch.setattr(time, "time", reported)
    assert leases.recover() == 0
    held = leases.renew([claim.lease for claim in [*here, *there]])
    assert len(held) == 4 and leases.claim() is None
    assert all(leases.succeed(lease, "p", "jpeg", {}) for lease in held)
    job = store.job("me", job_id)
    assert job and job.status == "succeeded"
    row.saw("4 of 4 scenes painted once each, 2 by either")
