"""Pictures inside requests, and jobs that are painted from them."""

from __future__ import annotations

import base64
from typing import Any

import httpx
from sqlalchemy import update

from serve.config.service_config import ServiceConfig
from serve.state.open_state import open_state
from serve.state.picture_tables import pictures


def inline(data: bytes) -> dict[str, str]:
    return {"b64_json": base64.b64encode(data).decode()}


def submit(client: httpx.Client, *layers: dict[str, Any]) -> str:
    scenes = [{"character": "a fox", "background": layer, "seed": 3} for layer in layers]
    answer = client.post("/v1/jobs", json={"scenes": scenes})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def ended(client: httpx.Client, job: str) -> list[dict[str, Any]]:
    with client.stream("GET", f"/v1/jobs/{job}/events") as events:
        events.read()
    return list(client.get(f"/v1/jobs/{job}").json()["scenes"])


def expire(config: ServiceConfig) -> None:
    with open_state(config.state_folder, config.jobs).begin() as connection:
        connection.execute(update(pictures).values(expires_at=1.0))
