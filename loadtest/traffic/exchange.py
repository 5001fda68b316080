"""Exchange one request and its answer over HTTP, in four forms: picture, JSON, stream of events, job."""

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

from .request_plan import Ask
from .sse_reader import events

ACCEPT = {"picture": "image/*", "json": "application/json", "stream": "text/event-stream"}
TERMINAL = ("succeeded", "failed", "cancelled")
POLL_S = 0.1
GOODBYE_S = 5.0
TIMING = re.compile(r"([\w-]+);(?:[^,]*;)?\s*dur=([0-9.]+)")


class Refused(Exception):
    """The answer was no picture: `code` is the HTTP status and the documented error's code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Answered:
    """The answer so far; filled in as it comes, so that a failure keeps what came before it."""

    status: int | None = None
    pictures: list[bytes] = field(default_factory=list)
    stages_s: dict[str, float] = field(default_factory=dict)
    first_byte_at: float | None = None
    request_id: str | None = None
    backend: str | None = None
    degraded: bool = False


async def exchange(
    http: aiohttp.ClientSession, ask: Ask, answered: Answered, now: Callable[[], float]
) -> None:
    """Fill `answered`. Raises Refused, ValueError for an answer out of shape, and aiohttp's errors."""
    if ask.route == "jobs":
        return await _job(http, ask, answered, now)
    headers = {"Accept": ACCEPT[ask.answer], "Content-Type": "application/json"}
    async with http.post(_below(ask.path), data=ask.encoded, headers=headers) as response:
        await _heed(response, answered, now)
        if ask.answer == "stream":
            return await _stream(response, answered)
        body = await response.read()
    if ask.answer == "json":
        answered.pictures.append(_picture(json.loads(body)))
    else:
        answered.pictures.append(body)
    return None


def _below(path: str) -> str:
    """Return a relative path, to be joined to a base address that has a path of its own."""
    return path.lstrip("/")


async def _heed(response: aiohttp.ClientResponse, answered: Answered, now: Callable[[], float]) -> None:
    answered.status = response.status
    answered.first_byte_at = answered.first_byte_at or now()
    answered.request_id = response.headers.get("X-Request-ID")
    answered.backend = response.headers.get("X-Backend")
    answered.degraded = "X-Degraded" in response.headers
    timing = ", ".join(response.headers.getall("Server-Timing", []))
    answered.stages_s |= {name: float(ms) / 1e3 for name, ms in TIMING.findall(timing)}
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
        raise ValueError("no picture in the JSON") from error


async def _stream(response: aiohttp.ClientResponse, answered: Answered) -> None:
    """Read to the last event: `scene.completed`, or `layer.completed` where a layer alone was requested."""
    alone = not response.url.path.endswith("/scenes")
    async for event in events(response):
        if event.name == "error":
            raise Refused(f"event {_code(0, event.data.encode()).removeprefix('0').strip()}".strip())
        if event.name == "scene.completed" or (alone and event.name == "layer.completed"):
            body = json.loads(event.data)
            answered.pictures.append(_picture(body))
            answered.degraded |= bool(body.get("degraded"))
            answered.stages_s |= {name: ms / 1e3 for name, ms in body.get("timings_ms", {}).items()}
            return
    raise ValueError("the stream ended without its last event")


async def _job(http: aiohttp.ClientSession, ask: Ask, answered: Answered, now: Callable[[], float]) -> None:
    """Submit a job, await it, and fetch each picture: the job is done when its last picture is here."""
    headers = {"Content-Type": "application/json"}
    async with http.post(_below(ask.path), data=ask.encoded, headers=headers) as response:
        await _heed(response, answered, now)
        job = json.loads(await response.read())["id"]
    try:
        while (state := await _json(http, f"{ask.path}/{job}", answered, now))["status"] not in TERMINAL:
            await asyncio.sleep(POLL_S)
        for scene in state["scenes"]:
            if scene["status"] != "succeeded":
                error = scene.get("error") or {}
                raise Refused(f"job {error.get('code', scene['status'])}")
            _, known, rest = scene["url"].partition("/v1/")
            if not known:
                raise ValueError("a picture that is elsewhere")
            async with http.get(f"v1/{rest}") as response:
                await _heed(response, answered, now)
                answered.pictures.append(await response.read())
        if state["status"] != "succeeded":
            raise Refused(f"job {state['status']}")
    except asyncio.CancelledError:
        async with asyncio.timeout(GOODBYE_S), http.delete(_below(f"{ask.path}/{job}")):
            raise


async def _json(http: aiohttp.ClientSession, path: str, answered: Answered, now: Callable[[], float]) -> Any:
    async with http.get(_below(path)) as response:
        await _heed(response, answered, now)
        return json.loads(await response.read())
