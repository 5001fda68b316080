"""Exchange one request and its response over HTTP, in four forms: picture, JSON, stream of events, job."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from .request_plan import PlannedRequest
from .sse_reader import events

ACCEPT = {"picture": "image/*", "json": "application/json", "stream": "text/event-stream"}
TERMINAL = ("succeeded", "failed", "cancelled")
POLL_S = 0.1
GOODBYE_S = 5.0
TIMING = re.compile(r"([\w-]+);(?:[^,]*;)?\s*dur=([0-9.]+)")


class Refused(Exception):
    """The response was not a picture. `code` is the HTTP status and the documented error's code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Received:
    """The response so far. It is filled in as data arrives, so that a failure keeps what came before it."""

    status: int | None = None
    pictures: list[bytes] = field(default_factory=list)
    stages_s: dict[str, float] = field(default_factory=dict)
    first_byte_at: float | None = None
    request_id: str | None = None
    backend: str | None = None
    degraded: bool = False


async def exchange(
    http: aiohttp.ClientSession, request: PlannedRequest, received: Received, now: Callable[[], float]
) -> None:
    """Fill `received`. Raises Refused, ValueError for a malformed response, and aiohttp's errors."""
    if request.route == "jobs":
        return await _job(http, request, received, now)
    headers = {"Accept": ACCEPT[request.answer], "Content-Type": "application/json"}
    async with http.post(_below(request.path), data=request.encoded, headers=headers) as response:
        await _heed(response, received, now)
        if request.answer == "stream":
            return await _stream(response, received)
        body = await response.read()
    if request.answer == "json":
        received.pictures.append(_picture(json.loads(body)))
    else:
        received.pictures.append(body)
    return None


def _below(path: str) -> str:
    """Return a relative path, which can be joined to a base address that already has a path."""
    return path.lstrip("/")


async def _heed(response: aiohttp.ClientResponse, received: Received, now: Callable[[], float]) -> None:
    received.status = response.status
    received.first_byte_at = received.first_byte_at or now()
    received.request_id = response.headers.get("X-Request-ID")
    received.backend = response.headers.get("X-Backend")
    received.degraded = "X-Degraded" in response.headers
    timing = ", ".join(response.headers.getall("Server-Timing", []))
    received.stages_s |= {name: float(ms) / 1e3 for name, ms in TIMING.findall(timing)}
    if response.status >= 300:
        raise Refused(_code(response.status, await response.read()))


def _code(status: int, body: bytes) -> str:
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return str(status)
    return f"{status} {code[:60]}" if isinstance(code, str) else str(status)


def _picture(body: Any) -> bytes:
    try:
        return base64.b64decode(body["image"]["b64_json"], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError("the JSON contains no picture") from error


async def _stream(response: aiohttp.ClientResponse, received: Received) -> None:
    """Read to the last event: `scene.completed`, or `layer.completed` if only a layer was requested."""
    alone = not response.url.path.endswith("/scenes")
    async for event in events(response):
        if event.name == "error":
            raise Refused(f"event {_code(0, event.data.encode()).removeprefix('0').strip()}".strip())
        if event.name == "scene.completed" or (alone and event.name == "layer.completed"):
            body = json.loads(event.data)
            received.pictures.append(_picture(body))
            received.degraded |= bool(body.get("degraded"))
            received.stages_s |= {name: ms / 1e3 for name, ms in body.get("timings_ms", {}).items()}
            return
    raise ValueError("the stream ended without its last event")


async def _job(
    http: aiohttp.ClientSession, request: PlannedRequest, received: Received, now: Callable[[], float]
) -> None:
    """Submit a job, await it, and fetch each picture: the job is done when its last picture has arrived."""
    headers = {"Content-Type": "application/json"}
    async with http.post(_below(request.path), data=request.encoded, headers=headers) as response:
        await _heed(response, received, now)
        job = json.loads(await response.read())["id"]
    try:
        while (state := await _json(http, f"{request.path}/{job}", received, now))["status"] not in TERMINAL:
            await asyncio.sleep(POLL_S)
        for scene in state["scenes"]:
            if scene["status"] != "succeeded":
                error = scene.get("error") or {}
                raise Refused(f"job {error.get('code', scene['status'])}")
            _, known, rest = scene["url"].partition("/v1/")
            if not known:
                raise ValueError("the picture's URL is not below /v1")
            async with http.get(f"v1/{rest}") as response:
                await _heed(response, received, now)
                received.pictures.append(await response.read())
        if state["status"] != "succeeded":
            raise Refused(f"job {state['status']}")
    except asyncio.CancelledError:
        async with asyncio.timeout(GOODBYE_S), http.delete(_below(f"{request.path}/{job}")):
            raise


async def _json(http: aiohttp.ClientSession, path: str, received: Received, now: Callable[[], float]) -> Any:
    async with http.get(_below(path)) as response:
        await _heed(response, received, now)
        return json.loads(await response.read())
