"""Every call of the API as a value: what is sent, how long it may take, how its answer is read."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from .answers import JobEvent, Layer, Scene, SceneEvent, layer_of, scene_event_of, scene_of

T = TypeVar("T")
Words = str | Mapping[str, Any]
File = bytes | str | Path
CONNECT_TIMEOUT_S = 5.0
GRACE_S = 30.0
"""How much longer than a request's own deadline its answer is awaited."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """`repeatable`: asking again after a lost answer does no harm. `timeout_s` None: the client's own."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    content: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    at_least_s: float = 0.0
    repeatable: bool = False


@dataclass(frozen=True)
class Stream(Generic[T]):
    """`read` makes something of an event's name and data and the answer's headers; `last` is its last one."""

    call: Call[None]
    read: Callable[[str, Any, httpx.Headers], T | None]
    last: str


def scene(character: Words, background: Words, options: dict[str, Any]) -> Call[Scene]:
    return Call(
        "POST",
        "/v1/scenes",
        lambda answer: scene_of(answer.json(), _backend(answer.headers)),
        {"json": {"character": character, "background": background, **options}},
        at_least_s=_patience_s(options),
        repeatable=_seeded(options) or all(_seeded(layer) for layer in (character, background)),
    )


def scene_stream(
    character: Words, background: Words, previews: int, options: dict[str, Any]
) -> Stream[SceneEvent]:
    asked = scene(character, background, options)
    content = {**asked.content, "params": {"previews": previews}}
    call = Call(
        "POST", asked.path, _nothing, content, at_least_s=asked.at_least_s, repeatable=asked.repeatable
    )
    return Stream(
        call, lambda name, data, headers: scene_event_of(name, data, _backend(headers)), "scene.completed"
    )


def layer(kind: str, prompt: str, options: dict[str, Any]) -> Call[Layer]:
    return Call(
        "POST",
        f"/v1/{kind}s",
        lambda answer: layer_of(answer.json(), _backend(answer.headers)),
        {"json": {"prompt": prompt, **options}},
        at_least_s=_patience_s(options),
        repeatable=_seeded(options),
    )


def merge(character: File, background: File, options: dict[str, Any]) -> Call[Scene]:
    files = {"character": ("character", _file(character)), "background": ("background", _file(background))}
    return Call(
        "POST",
        "/v1/merges",
        lambda answer: scene_of(answer.json(), ""),
        {"files": files, "data": {"options": json.dumps(options)}},
        repeatable=True,
    )


def submit_job(scenes: Sequence[Mapping[str, Any]], key: str | None) -> Call[dict[str, Any]]:
    """A key of its own where none is given, so that a lost answer can be asked for again."""
    headers = {"Idempotency-Key": key or uuid.uuid4().hex}
    return Call("POST", "/v1/jobs", _object, {"json": {"scenes": list(scenes)}}, headers, repeatable=True)


def job(job_id: str) -> Call[dict[str, Any]]:
    return Call("GET", _job(job_id), _object, repeatable=True)


def jobs(limit: int, after: str | None) -> Call[dict[str, Any]]:
    query: dict[str, Any] = {"limit": limit} if after is None else {"limit": limit, "after": after}
    return Call("GET", "/v1/jobs", _object, {"params": query}, repeatable=True)


def cancel_job(job_id: str) -> Call[dict[str, Any]]:
    return Call("DELETE", _job(job_id), _object, repeatable=True)


def job_picture(job_id: str, index: int) -> Call[tuple[bytes, str]]:
    def read(answer: httpx.Response) -> tuple[bytes, str]:
        return answer.content, answer.headers.get("content-type", "").removeprefix("image/")

    return Call("GET", f"{_job(job_id)}/scenes/{index}", read, repeatable=True)


def job_events(job_id: str) -> Stream[JobEvent]:
    call = Call("GET", f"{_job(job_id)}/events", _nothing, repeatable=True)
    return Stream(call, lambda name, data, headers: JobEvent(name, data), "job.ended")


def models() -> Call[list[dict[str, Any]]]:
    return Call("GET", "/v1/models", lambda answer: list(answer.json()["data"]), repeatable=True)


def readiness() -> Call[None]:
    return Call("GET", "/readyz", _nothing, timeout_s=CONNECT_TIMEOUT_S)


def _job(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, '')}"


def _file(given: File) -> bytes:
    return given if isinstance(given, bytes) else Path(given).read_bytes()


def _patience_s(options: dict[str, Any]) -> float:
    return float(options.get("deadline_s", 0.0)) + GRACE_S


def _seeded(words: Words) -> bool:
    """Whether asking again gives the same picture."""
    return not isinstance(words, str) and words.get("seed") is not None


def _backend(headers: httpx.Headers) -> str:
    return str(headers.get("x-backend", ""))


def _object(answer: httpx.Response) -> dict[str, Any]:
    return dict(answer.json())


def _nothing(answer: httpx.Response) -> None: ...
