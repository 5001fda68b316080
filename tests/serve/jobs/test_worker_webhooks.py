"""Webhooks for ended jobs are sent in parallel with the painting."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.config.service_config import ServiceConfig
from serve.config.webhook_config import WebhookConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.job_requests import ended, submit, working
from tests.support.local_service import served
from tests.support.polling import eventually
from tests.support.scene_requests import SCENE
from tests.support.webhook_receiver import Receiver
from tests.support.webhook_receiver import receiver as receiver


@pytest.fixture
def reporting(config: ServiceConfig, tmp_path: Path) -> ServiceConfig:
    """Configure a service that paints one scene at a time, and may send webhooks to this machine."""
    webhooks = WebhookConfig(allowed_hosts=("127.0.0.1",), private_network=True, timeout_s=60)
    jobs = replace(config.jobs, poll_s=0.02, concurrency=1)
    return config.model_copy(update={"state_dir": str(tmp_path), "jobs": jobs, "webhooks": webhooks})


@pytest.fixture
async def http(reporting: ServiceConfig, graph: Graph) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(served(build_http(reporting, graph)), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def submit_with_webhook(http: httpx.AsyncClient, url: str) -> str:
    """Submit a job whose end is reported to `url`. Return its id."""
    response = await http.post("/v1/jobs", json={"scenes": [SCENE], "webhook": {"url": url}})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def webhook_of(http: httpx.AsyncClient, job_id: str) -> tuple[str, int]:
    found: dict[str, Any] = (await http.get(f"/v1/jobs/{job_id}")).json()["webhook"]
    return found["status"], found["attempts"]


async def test_the_end_of_a_job_is_reported_to_its_webhook(
    http: httpx.AsyncClient, reporting: ServiceConfig, graph: Graph, receiver: Receiver
) -> None:
    job_id = await submit_with_webhook(http, receiver.url)
    assert await webhook_of(http, job_id) == ("pending", 0)
    async with working(reporting, graph):
        await eventually(lambda: receiver.got)
        event = json.loads(receiver.got[0][1])
        assert (event["type"], event["data"]["id"], event["data"]["done"]) == ("job.ended", job_id, 1)

        async def delivered() -> bool:
            return (await webhook_of(http, job_id))[0] == "delivered"

        await eventually(delivered)


async def test_a_silent_receiver_delays_no_painting(
    http: httpx.AsyncClient, reporting: ServiceConfig, graph: Graph
) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        job_id = await submit_with_webhook(http, f"http://127.0.0.1:{listener.getsockname()[1]}/done")
        async with working(reporting, graph), asyncio.timeout(60):
            connection, _ = await loop.sock_accept(listener)
            with connection:
                assert await loop.sock_recv(connection, 4) == b"POST"
                later = await ended(http, await submit(http, SCENE | {"seed": 2}))
                assert later["status"] == "succeeded"
                # No attempt has ended: the first webhook still waits for its response.
                assert await webhook_of(http, job_id) == ("due", 0)
