from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn import Server

from bench.stalls import probe
from bench.stalls.__main__ import TITLES, cells, machine
from bench.stalls.bodies import BODIES, MB
from bench.stalls.probe import Delay
from bench.stalls.side import REPOSITORY, Seen
from serve.config.job_config import JobConfig
from tests.support.polling import until


@pytest.mark.parametrize("name", BODIES)
def test_bodies_are_json_of_a_size_that_is_read(name: str) -> None:
    body = BODIES[name]()
    assert 3 * MB < len(body) <= JobConfig().max_json_bytes
    assert json.loads(body)["scenes"]


async def stand_still(request: Request) -> PlainTextResponse:
    time.sleep(0.1)
    return PlainTextResponse("")


async def test_a_stalled_loop_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Starlette, "__call__", Starlette.__call__)
    monkeypatch.setattr(Server, "startup", Server.startup)
    monkeypatch.setenv(probe.FOLDER, str(tmp_path))
    probe.install()
    app = Starlette(routes=[Route("/", stand_still)])
    since = time.monotonic()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
        await client.get("/")
        await asyncio.sleep(0.02)  # Let the probe sleep, too.
        await client.get("/")
    while not probe.read_reports(tmp_path, "ingress", since, time.monotonic()):
        await asyncio.sleep(0.01)
    until = time.monotonic()
    assert probe.read_reports(tmp_path, "ingress", since, until)[-1].late_s > 0.05
    assert probe.read_reports(tmp_path, "ingress", until + 1, until + 2) == []
    assert probe.read_reports(tmp_path, "proxy", since, until) == []


def test_an_idle_loop_is_recorded(tmp_path: Path) -> None:
    environment = os.environ | {probe.FOLDER: str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-m", "bench.stalls.probe"], cwd=REPOSITORY, env=environment)
    try:
        until(lambda: list(tmp_path.glob("idle-*")), 60)
    finally:
        process.terminate()
        process.wait(60)


def test_without_a_folder_nothing_is_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(probe.FOLDER, raising=False)
    before = Starlette.__call__
    probe.install()
    assert Starlette.__call__ is before


def test_a_row_has_both_sides_of_the_wire() -> None:
    late = {"ingress": [Delay(0.02, 0.001), Delay(0.03, 0.03), Delay(0.07, 0.01)], "idle": [Delay(0.025, 0)]}
    seen = Seen(statuses=Counter({422: 4}), health_s=[0.01, 0.03, 0.02], proxy=[], **late)
    assert cells("after", "4 x 8.0 MB of numbers", seen) == [
        *("after", "4 x 8.0 MB of numbers", "4 x 422", "20", "30", "70", "30", "1", "0", "0", "25"),
    ]
    assert len(cells("after", "none", seen)) == len(TITLES)
    assert "ray 2." in machine()
