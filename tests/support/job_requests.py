"""Submit jobs, run a worker for them and wait until they end, over HTTP and in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.jobs.worker import JobWorker
from tests.support.polling import eventually

JSON = {"Accept": "application/json"}


@asynccontextmanager
async def working(config: ServiceConfig, graph: Graph) -> AsyncIterator[JobWorker]:
    worker = JobWorker(config, graph.character, graph.background, graph.merger)
    try:
        yield worker
    finally:
        await worker.stop()


async def ended(http: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    async def look() -> Any:
        job = (await http.get(f"/v1/jobs/{job_id}")).json()
        return job if job["status"] in ("succeeded", "failed", "cancelled") else None

    job: dict[str, Any] = await eventually(look)
    return job


async def submit(http: httpx.AsyncClient, *scenes: Any) -> str:
    response = await http.post("/v1/jobs", json={"scenes": scenes})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])
