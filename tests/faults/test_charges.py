"""Charges to a caller's quota: the real edge, and a key with quota for one scene, in one process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from deployments.character import Character
from deployments.errors import GenerationFailed, NotReady, OutOfMemory, Overloaded
from deployments.messages import LayerEvent, LayerJob
from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.drill_row import Row
from tests.support.local_service import config, graph, local_handle, served

__all__ = ["config", "graph"]

LAYER = {"prompt": "x", "num_inference_steps": 2, "width": 64, "height": 64}
SCENE: dict[str, Any] = {
    "character": LAYER,
    "background": LAYER,
    "fallback": "none",
    "merge": {"width": 128, "height": 64, "mode": "paste"},
}
ROOM = 1.5 * (2 * 2 * 64 * 64 + 128 * 64) / 1e6
"""Enough for one and a half scenes: two layers of two steps, and the picture that is encoded."""
TIMES = 5
FAULTS = {
    "429 overloaded": Overloaded,
    "502 generation_failed": GenerationFailed,
    "503 out_of_memory": OutOfMemory,
    "503 not_ready": NotReady,
}


class Failing(Character):
    """A Character whose replica raises `fault`, if it is set, before it begins a layer."""

    fault: ClassVar[type[Exception] | None] = None

    async def stream(
        self, job: LayerJob, files: Mapping[str, bytes] | None = None
    ) -> AsyncGenerator[LayerEvent, None]:
        if self.fault is not None:
            raise self.fault("the drill says so")
        async with aclosing(super().stream(job, files)) as events:
            async for event in events:
                yield event


async def test_refused_and_failed_work_is_not_charged(
    config: ServiceConfig, graph: Graph, tmp_path: Path, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    row.promises(
        "scenes refused or failed, of a key whose quota has room for one",
        "they cost nothing: the next one is painted, and the one after that is 429 `rate_limited`",
    )
    mine = config.model_copy(update={"state_dir": str(tmp_path), "authentication": "required"})
    _, whole = open_keys(tmp_path).create("a", ("generate",), "a", rate=1e-9, burst=ROOM)
    headers = {"Authorization": f"Bearer {whole}"}
    failing = replace(graph, character=local_handle(Failing, config.character.generator))
    transport = httpx.ASGITransport(served(build_http(mine, failing)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
        for reported, error in FAULTS.items():
            monkeypatch.setattr(Failing, "fault", error)
            for _ in range(TIMES):
                response = await http.post("/v1/scenes", json=SCENE)
                assert f"{response.status_code} {response.json()['error']['code']}" == reported, response.text
        monkeypatch.setattr(Failing, "fault", None)
        for _ in range(TIMES):
            assert (await http.post("/v1/scenes", json=SCENE | {"seed": -1})).status_code == 422
        painted = await http.post("/v1/scenes", json=SCENE)
        assert painted.status_code == 200, painted.text
        charged = await http.post("/v1/scenes", json=SCENE)
        assert (charged.status_code, charged.json()["error"]["code"]) == (429, "rate_limited")
    row.saw(f"{TIMES} each of 422, {', '.join(FAULTS)}; then 200, and then 429 `rate_limited`")
