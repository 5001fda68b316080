"""Event streams that wait for a job, at the edge: their limit, and that they do not block other requests."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import listening
from tests.support.scene_requests import SCENE


async def test_streams_beyond_their_budget_are_refused_and_nothing_else_is(
    config: ServiceConfig, graph: Graph, tmp_path: Any
) -> None:
    data = config.model_dump() | {"state_dir": str(tmp_path)}
    data["limits"] |= {"max_streams": 5}
    data["ingress"] |= {"max_ongoing_requests": 2}
    app = build_http(ServiceConfig.model_validate(data), graph)
    with listening(app) as url:
        async with AsyncExitStack() as held, httpx.AsyncClient(base_url=url, timeout=30) as http:
            job = (await http.post("/v1/jobs", json={"scenes": [SCENE]})).json()["id"]
            streams = [
                await held.enter_async_context(http.stream("GET", f"/v1/jobs/{job}/events")) for _ in range(7)
            ]
            assert [stream.status_code for stream in streams] == [200] * 5 + [429] * 2
            assert all(int(stream.headers["retry-after"]) >= 1 for stream in streams[5:])
            none = await http.get(f"/v1/jobs/{'0' * len(job)}/events")
            assert none.status_code == 429, "the job is not looked up"
            for path in ("/healthz", "/readyz", f"/v1/jobs/{job}"):
                assert (await http.get(path)).status_code == 200, "streams do not take slots for requests"
            await streams[0].aclose()
            async with asyncio.timeout(30):
                while True:
                    async with http.stream("GET", f"/v1/jobs/{job}/events") as again:
                        if again.status_code == 200:
                            break
                    await asyncio.sleep(0.02)
