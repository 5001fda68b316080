"""Build every API call as a value: what it sends, how long it may take, and how its response is read."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from .call import (
    CONNECT_TIMEOUT_S,
    JSON,
    KEY,
    Call,
    Stream,
    Words,
    accepted,
    checked_header,
    checked_query,
    listed,
    nothing,
    path_segment,
    patience_s,
    picture_of,
    with_fields,
)
from .encoding import encoded
from .pictures import File, read_file, read_picture
from .responses import JobEvent, Layer, Scene, SceneEvent, layer_of, scene_event_of, scene_of


def scene(
    character: Words | Sequence[Words], background: Words, options: dict[str, Any], key: str | None = None
) -> Call[Scene]:
    figures: list[Any] = list(character) if isinstance(character, list | tuple) else [character]
    name = "characters" if isinstance(character, list | tuple) else "character"
    layers = {name: character, "background": background}
    return Call(
        "POST",
        "/v1/scenes",
        lambda response: scene_of(response.json(), _backend(response.headers)),
        {"content": encoded({**layers, **options})},
        JSON if key is None else {**JSON, KEY: checked_header("idempotency_key", key)},
        at_least_s=patience_s(options),
        repeatable=key is not None
        or _seeded(options)
        or all(_seeded(layer) for layer in (*figures, background)),
    )


def scene_stream(
    character: Words | Sequence[Words],
    background: Words,
    previews: int,
    options: dict[str, Any],
    key: str | None = None,
) -> Stream[SceneEvent]:
    whole = scene(character, background, options, key)
    content = {**whole.content, "params": checked_query(previews=previews)}
    call = Call(
        whole.method,
        whole.path,
        nothing,
        content,
        whole.headers,
        at_least_s=whole.at_least_s,
        repeatable=whole.repeatable,
    )
    return Stream(
        call, lambda name, data, headers: scene_event_of(name, data, _backend(headers)), "scene.completed"
    )


def layer(kind: str, prompt: str, options: dict[str, Any]) -> Call[Layer]:
    return Call(
        "POST",
        f"/v1/{kind}s",
        lambda response: layer_of(response.json(), _backend(response.headers)),
        {"content": encoded({"prompt": prompt, **options})},
        JSON,
        at_least_s=patience_s(options),
        repeatable=_seeded(options),
    )


def scene_later(
    character: Words | Sequence[Words], background: Words, options: dict[str, Any], key: str | None = None
) -> Call[dict[str, Any]]:
    return _later(scene(character, background, options), key)


def layer_later(
    kind: str, prompt: str, options: dict[str, Any], key: str | None = None
) -> Call[dict[str, Any]]:
    return _later(layer(kind, prompt, options), key)


def _later(call: Call[Any], key: str | None) -> Call[dict[str, Any]]:
    """Return the call that paints the same as a job. Without a key it makes one, as submit_job does."""
    named = {KEY: checked_header("idempotency_key", key or uuid.uuid4().hex), "Prefer": "respond-async"}
    return Call(call.method, call.path, accepted, call.content, {**JSON, **named}, repeatable=True)


def mint_token(
    ttl_s: float, scopes: Sequence[str], requests: int | None, megapixel_steps: float | None
) -> Call[dict[str, Any]]:
    bounds = {"requests": requests, "megapixel_steps": megapixel_steps}
    budget = {name: value for name, value in bounds.items() if value is not None}
    content = {"content": encoded({"ttl_s": ttl_s, "scopes": list(scopes), "budget": budget})}
    return Call("POST", "/v1/tokens", _token, content, JSON)


def merge(character: File | Sequence[File], background: File, options: dict[str, Any]) -> Call[Scene]:
    figures: Sequence[Any] = character if isinstance(character, list | tuple) else [character]
    given = [*(("character", file) for file in figures), ("background", background)]
    files = [(name, (name, read_file(name, file))) for name, file in given]
    return Call(
        "POST",
        "/v1/merges",
        lambda response: scene_of(response.json(), ""),
        {"files": files, "data": {"options": encoded(options).decode()}},
        repeatable=True,
    )


def upload_picture(file: File, param: str = "file") -> Call[dict[str, Any]]:
    files = {"file": ("picture", read_picture(param, file))}
    return Call("POST", "/v1/pictures", _kept, {"files": files}, repeatable=True)


def picture(picture_id: str) -> Call[dict[str, Any]]:
    return Call("GET", _picture(picture_id), _kept, repeatable=True)


def picture_file(picture_id: str) -> Call[bytes]:
    def read(response: httpx.Response) -> bytes:
        if not response.headers.get("content-type", "").startswith("image/"):
            raise ValueError("not a picture")
        return response.content

    return Call("GET", _picture(picture_id), read, headers={"Accept": "image/png"}, repeatable=True)


def delete_picture(picture_id: str) -> Call[dict[str, Any]]:
    # Not repeatable: a second call would find no picture.
    return Call("DELETE", _picture(picture_id), _kept)


def submit_job(
    scenes: Sequence[Mapping[str, Any]], key: str | None, webhook_url: str | None = None
) -> Call[dict[str, Any]]:
    """Return the call that submits a job.

    Without a key it makes one, so that the call can be repeated after a lost response.
    """
    headers = {**JSON, KEY: checked_header("idempotency_key", key or uuid.uuid4().hex)}
    listed = list(scenes) if isinstance(scenes, Sequence) else scenes
    webhook = {} if webhook_url is None else {"webhook": {"url": webhook_url}}
    content = {"content": encoded({"scenes": listed, **webhook})}
    return Call("POST", "/v1/jobs", accepted, content, headers, repeatable=True)


def job(job_id: str) -> Call[dict[str, Any]]:
    return Call("GET", _job(job_id), _job_state, repeatable=True)


def jobs(limit: int, after: str | None, tenant: str | None) -> Call[dict[str, Any]]:
    given = {name: value for name, value in (("after", after), ("tenant", tenant)) if value is not None}
    query = checked_query(limit=limit, **given)
    return Call("GET", "/v1/jobs", listed, {"params": query}, repeatable=True)


def usage(since: str | None, until: str | None, key: str | None) -> Call[dict[str, Any]]:
    given = {"since": since, "until": until, "key": key}
    query = checked_query(**{name: value for name, value in given.items() if value is not None})
    return Call("GET", "/v1/usage", _usage, {"params": query}, repeatable=True)


def cancel_job(job_id: str) -> Call[dict[str, Any]]:
    # Not repeatable: the first call cancels the job, and a second would remove it.
    return Call("DELETE", _job(job_id), _job_state)


def release_job(job_id: str) -> Call[dict[str, Any]]:
    return Call("POST", f"{_job(job_id)}/release", _job_state, repeatable=True)


def job_picture(job_id: str, index: int) -> Call[tuple[bytes, str]]:
    number = quote(str(checked_query(index=index)["index"]), "")
    return Call("GET", f"{_job(job_id)}/scenes/{number}", picture_of, repeatable=True)


def job_events(job_id: str) -> Stream[JobEvent]:
    call = Call("GET", f"{_job(job_id)}/events", nothing, repeatable=True)
    return Stream(call, lambda name, data, headers: JobEvent(name, data), "job.ended")


def models() -> Call[list[dict[str, Any]]]:
    return Call("GET", "/v1/models", _cards, repeatable=True)


def readiness() -> Call[None]:
    return Call("GET", "/readyz", _ready, timeout_s=CONNECT_TIMEOUT_S)


def _job(job_id: str) -> str:
    name = path_segment(job_id, "job_id must be the id of a submitted job", "job_id")
    return f"/v1/jobs/{name}"


def _picture(picture_id: str) -> str:
    name = path_segment(picture_id, "picture_id must be the id of an uploaded picture", "picture_id")
    return f"/v1/pictures/{name}"


def _seeded(words: Words) -> bool:
    """Return whether repeating the request gives the same picture."""
    return isinstance(words, Mapping) and words.get("seed") is not None


def _backend(headers: httpx.Headers) -> str:
    return str(headers.get("x-backend", ""))


def _token(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), id=str, token=str, expires_at=int)


def _job_state(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), id=str, status=str)


def _kept(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), id=str, width=int, height=int, expires_at=int)


def _usage(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), data=list, total=dict)


def _cards(response: httpx.Response) -> list[dict[str, Any]]:
    return [with_fields(card, id=str) for card in response.json()["data"]]


def _ready(response: httpx.Response) -> None:
    with_fields(response.json(), status=str)
