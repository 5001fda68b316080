"""Every call of the API as a value: what is sent, how long it may take, how its answer is read."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx

from .encoding import encoded
from .errors import not_sent
from .pictures import File, read_file, read_picture
from .responses import JobEvent, Layer, Scene, SceneEvent, layer_of, scene_event_of, scene_of

T = TypeVar("T")
Words = str | Mapping[str, Any]
CONNECT_TIMEOUT_S = 5.0
GRACE_S = 30.0
"""How much longer than a request's own deadline its answer is awaited."""
LONGEST_S = 86_400.0
"""No answer is awaited longer: sockets take no time without end."""
JSON = {"Content-Type": "application/json"}
KEY = "Idempotency-Key"
ZIP = "application/zip"
MAX_NAME = 255


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
        at_least_s=_patience_s(options),
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
        at_least_s=_patience_s(options),
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
    """Return the call that has the same painted as a job. Without a key it makes one, as submit_job does."""
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
            raise ValueError("no picture")
        return response.content

    return Call("GET", _picture(picture_id), read, headers={"Accept": "image/png"}, repeatable=True)


def delete_picture(picture_id: str) -> Call[dict[str, Any]]:
    # Not repeatable: the second time there is none.
    return Call("DELETE", _picture(picture_id), _kept)


def add_member(member: Mapping[str, Any]) -> Call[dict[str, Any]]:
    # Not repeatable: the second time its name is taken.
    return Call("POST", "/v1/cast", _member, {"content": encoded(member)}, JSON)


def member(name: str) -> Call[dict[str, Any]]:
    return Call("GET", _cast(name), _member, repeatable=True)


def members(limit: int, after: str | None) -> Call[dict[str, Any]]:
    query = checked_query(limit=limit, **({} if after is None else {"after": after}))
    return Call("GET", "/v1/cast", _member_list, {"params": query}, repeatable=True)


def change_member(name: str, member: Mapping[str, Any], version: int | None) -> Call[dict[str, Any]]:
    # Not repeatable: each call makes a version.
    body = {**member, **({} if version is None else {"version": version})}
    return Call("PUT", _cast(name), _member, {"content": encoded(body)}, JSON)


def remove_member(name: str) -> Call[dict[str, Any]]:
    # Not repeatable: the second time there is none.
    return Call("DELETE", _cast(name), _member)


def sheet(name: str, poses: Sequence[Words], options: dict[str, Any]) -> Call[bytes]:
    def read(response: httpx.Response) -> bytes:
        if response.headers.get("content-type") != ZIP:
            raise ValueError("no archive")
        return response.content

    path, patience_s = f"{_cast(name)}/sheet", _patience_s(options)
    if not poses and not options:
        return Call("GET", path, read, headers={"Accept": ZIP}, at_least_s=patience_s)
    listed = list(poses) if isinstance(poses, Sequence) and not isinstance(poses, str) else poses
    content = {"content": encoded({"poses": listed, **options})}
    return Call("POST", path, read, content, {**JSON, "Accept": ZIP}, at_least_s=patience_s)


def submit_job(
    scenes: Sequence[Mapping[str, Any]], key: str | None, webhook_url: str | None = None
) -> Call[dict[str, Any]]:
    """Return the call that submits a job.

    Without a key it makes one, so that the call can be repeated after a lost answer.
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
    # Not repeatable: called twice, a job is first cancelled and then removed.
    return Call("DELETE", _job(job_id), _job_state)


def release_job(job_id: str) -> Call[dict[str, Any]]:
    return Call("POST", f"{_job(job_id)}/release", _job_state, repeatable=True)


def job_picture(job_id: str, index: int) -> Call[tuple[bytes, str]]:
    number = quote(str(checked_query(index=index)["index"]), "")
    return Call("GET", f"{_job(job_id)}/scenes/{number}", picture_of, repeatable=True)


def picture_of(response: httpx.Response) -> tuple[bytes, str]:
    """Read a kept picture and its format, from the whole answer of a scene with layers too."""
    kind, _, wire_format = response.headers.get("content-type", "").partition("/")
    if (kind, wire_format) == ("application", "json"):
        scene = scene_of(response.json(), response.headers.get("x-backend", ""))
        return scene.data, scene.format
    if kind != "image":
        raise ValueError("no picture")
    return response.content, wire_format


def job_events(job_id: str) -> Stream[JobEvent]:
    call = Call("GET", f"{_job(job_id)}/events", nothing, repeatable=True)
    return Stream(call, lambda name, data, headers: JobEvent(name, data), "job.ended")


def models() -> Call[list[dict[str, Any]]]:
    return Call("GET", "/v1/models", _cards, repeatable=True)


def readiness() -> Call[None]:
    return Call("GET", "/readyz", _ready, timeout_s=CONNECT_TIMEOUT_S)


def _job(job_id: str) -> str:
    name = path_segment(job_id, "that is no job's id, as submitting a job gives one", "job_id")
    return f"/v1/jobs/{name}"


def _picture(picture_id: str) -> str:
    name = path_segment(picture_id, "that is no picture's id, as uploading one gives it", "picture_id")
    return f"/v1/pictures/{name}"


def _cast(name: str) -> str:
    return f"/v1/cast/{path_segment(name, 'that is no name of a member of the cast', 'name')}"


def path_segment(given: str, why: str, param: str) -> str:
    """Return an id as a part of a path. Raises NotSent for an id that would make another path."""
    try:
        name = quote(given, "")
    except (TypeError, UnicodeError):
        name = ""
    if name.strip(".") and len(name) <= MAX_NAME:
        return name
    raise not_sent(why, param)


def checked_header(name: str, value: str) -> str:
    """Check a header's value. Raises NotSent."""
    plain = isinstance(value, str) and value.isascii() and value.isprintable()
    if not plain or value != value.strip() or len(value) > MAX_NAME:
        message = f"{name} must be at most {MAX_NAME} plain ASCII characters, without spaces around them"
        raise not_sent(message, name)
    return value


def checked_query(**values: int | str) -> dict[str, int | str]:
    """Check a query's values. Raises NotSent for what no address can hold."""
    for name, value in values.items():
        if not isinstance(value, int | str):
            raise not_sent(f"{name} must be a number or text, and not {type(value).__name__}", name)
        encoded({name: value})
    return values


def _patience_s(options: dict[str, Any]) -> float:
    """Return the seconds to wait for an answer. The service refuses a deadline that is no number."""
    deadline_s = options.get("deadline_s")
    # An integer may be larger than any float.
    return (min(deadline_s, LONGEST_S) if isinstance(deadline_s, int | float) else 0.0) + GRACE_S


def _seeded(words: Words) -> bool:
    """Return whether a second request gives the same picture."""
    return isinstance(words, Mapping) and words.get("seed") is not None


def _backend(headers: httpx.Headers) -> str:
    return str(headers.get("x-backend", ""))


def accepted(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), id=str)


def _token(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), id=str, token=str, expires_at=int)


def _job_state(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), id=str, status=str)


def _kept(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), id=str, width=int, height=int, expires_at=int)


def _member(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), name=str, version=int)


def _member_list(response: httpx.Response) -> dict[str, Any]:
    body = with_fields(response.json(), data=list)
    for each in body["data"]:
        with_fields(each, name=str, version=int)
    return body


def listed(response: httpx.Response) -> dict[str, Any]:
    body = with_fields(response.json(), data=list)
    for each in body["data"]:
        with_fields(each, id=str, status=str)
    return body


def _usage(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), data=list, total=dict)


def _cards(response: httpx.Response) -> list[dict[str, Any]]:
    return [with_fields(card, id=str) for card in response.json()["data"]]


def _ready(response: httpx.Response) -> None:
    with_fields(response.json(), status=str)


def with_fields(body: Any, **fields: type) -> dict[str, Any]:
    """Return `body` as it came. Raises KeyError and TypeError where it lacks what every version has."""
    for name, kind in fields.items():
        if not isinstance(body[name], kind):
            raise TypeError(name)
    return dict(body)


def nothing(response: httpx.Response) -> None: ...
