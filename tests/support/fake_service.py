"""Fake the service over real HTTP: the pictures are real, the test sets delays, stalls and errors."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import Any

from aiohttp import web
from PIL import Image


@dataclass
class Served:
    """A served request, timed by the machine's monotonic clock, which the load generator reads too."""

    path: str
    body: Any
    arrived: float
    ended: float | None = None
    key: str | None = None


@dataclass
class FakeService:
    """The service's behaviour, set by a test before a run, and a record of what it received."""

    delay_s: float | Callable[[int], float] = 0.02
    capacity: int = 10_000
    error: Callable[[int], tuple[int, str] | None] = lambda number: None
    picture: Callable[[tuple[int, int], str], bytes] | None = None
    drop: Callable[[int], bool] = lambda number: False
    stall_s: tuple[float, float] = (0.0, 0.0)
    """Begin and end of a stall, after the first request: requests in this period continue at its end."""
    served: list[Served] = field(default_factory=list)
    given_up: int = 0
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_scene: dict[str, Any] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    _slots: dict[int, asyncio.Semaphore] = field(default_factory=dict)

    async def hold(self, request: web.Request) -> tuple[Served, int]:
        number = len(self.served)
        key = request.headers.get("Authorization")
        served = Served(request.path, None, time.monotonic(), key=key)
        self.served.append(served)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            served.body = await request.json()
            async with self._slots.setdefault(self.capacity, asyncio.Semaphore(self.capacity)):
                await self._stalled()
                await asyncio.sleep(self.delay_s(number) if callable(self.delay_s) else self.delay_s)
                await self._stalled()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self._at_once -= 1
            served.ended = time.monotonic()
        return served, number

    async def _stalled(self) -> None:
        begins, ends = self.stall_s
        since = time.monotonic() - self.served[0].arrived
        if begins <= since < ends:
            await asyncio.sleep(ends - since)

    def painted(self, size: tuple[int, int], form: str) -> bytes:
        return (self.picture or picture)(size, form)


@cache
def picture(size: tuple[int, int], form: str = "jpeg") -> bytes:
    gradient = Image.linear_gradient("L").resize(size).convert("RGB")
    return encoded(gradient, form)


def encoded(image: Image.Image, form: str = "jpeg") -> bytes:
    buffer = BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def application(fake_service: FakeService) -> web.Application:
    async def paint(request: web.Request) -> web.StreamResponse:
        served, number = await fake_service.hold(request)
        if fake_service.drop(number):
            assert request.transport is not None
            request.transport.abort()
        if error := fake_service.error(number):
            return web.json_response({"error": {"code": error[1]}}, status=error[0])
        size = _size(request.path, served.body)
        form = served.body.get("output", {}).get("format", "jpeg")
        headers = {"X-Request-ID": f"r{number}", "X-Backend": "diffusers", "Server-Timing": TIMING}
        data = fake_service.painted(size, form)
        accept = request.headers["Accept"]
        body = {"image": {"b64_json": base64.b64encode(data).decode()}, "timings_ms": {"merge": 7.0}}
        if accept == "application/json":
            return web.json_response(body, headers=headers)
        if accept == "text/event-stream":
            return await _stream(request, body, headers)
        return web.Response(body=data, content_type=f"image/{form}", headers=headers)

    async def submit(request: web.Request) -> web.Response:
        served, number = await fake_service.hold(request)
        name = f"j{number}"
        scenes = [
            {"index": index, "status": "succeeded", "url": f"/v1/jobs/{name}/scenes/{index}"}
            for index in range(len(served.body["scenes"]))
        ]
        fake_service.jobs[name] = {"polls": 0, "status": "running", "scenes": scenes, "body": served.body}
        return web.json_response({"id": name, "status": "queued", "total": len(scenes)}, status=202)

    async def state(request: web.Request) -> web.Response:
        job = fake_service.jobs[request.match_info["job"]]
        job["polls"] += 1
        if job["polls"] > 2 and not callable(fake_service.delay_s):
            job["status"] = "succeeded"
            job["scenes"][-1] |= fake_service.last_scene
        return web.json_response({"status": job["status"], "scenes": job["scenes"]})

    async def fetch(request: web.Request) -> web.Response:
        scene = fake_service.jobs[request.match_info["job"]]["body"]["scenes"][
            int(request.match_info["scene"])
        ]
        return web.Response(
            body=fake_service.painted(_size("/v1/scenes", scene), "jpeg"), content_type="image/jpeg"
        )

    async def delete(request: web.Request) -> web.Response:
        fake_service.deleted.append(request.match_info["job"])
        return web.Response(status=204)

    app = web.Application()
    for route in ("scenes", "characters", "backgrounds"):
        app.router.add_post(f"/v1/{route}", paint)
    app.router.add_post("/v1/jobs", submit)
    app.router.add_get("/v1/jobs/{job}", state)
    app.router.add_delete("/v1/jobs/{job}", delete)
    app.router.add_get("/v1/jobs/{job}/scenes/{scene}", fetch)
    return app


TIMING = "character-queue;dur=3.0, character-denoise;dur=12.5, merge;dur=7.0"


def _size(path: str, body: dict[str, Any]) -> tuple[int, int]:
    sides = body.get("merge", {}) if path == "/v1/scenes" else body
    return sides.get("width", 1024), sides.get("height", 512)


async def _stream(request: web.Request, body: Any, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
    await response.prepare(request)
    last = "scene.completed" if request.path == "/v1/scenes" else "layer.completed"
    for step in range(3):
        await response.write(
            b": a comment\n\nevent: layer.progress\r\ndata: " + json.dumps({"step": step}).encode()
        )
        await response.write(b"\r\n\r\n")
    await response.write(f"event: {last}\ndata: {json.dumps(body)}\n\n".encode())
    await response.write_eof()
    return response


@contextmanager
def serving(fake_service: FakeService) -> Iterator[str]:
    """Yield the address of the service, which runs on its own loop and thread, as a real one would."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(application(fake_service), handler_cancellation=True, shutdown_timeout=0.1)
    listening = socket.create_server(("127.0.0.1", 0))

    async def start() -> None:
        await runner.setup()
        await web.SockSite(runner, listening).start()

    async def stop() -> None:
        # A server closed while it accepts a connection leaves that open: CPython 3.11's Server._attach.
        loop.remove_reader(listening)
        for _ in range(5):
            await asyncio.sleep(0)
        await runner.cleanup()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(60)
        yield "http://{}:{}".format(*listening.getsockname())
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()
