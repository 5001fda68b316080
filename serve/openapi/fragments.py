"""Describe what FastAPI cannot infer: bodies are read by hand (strict JSON), and errors have one shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from ..api.responses import FORMATS
from ..api.wire import ErrorResponse
from ..http.sse import EVENTS

REFUSALS = {
    400: "the body is not JSON, or the service does not accept a header or the Host",
    401: "no key or token was sent, or it is not known here",
    403: "the key may not do this, a link was altered, or a page of another site sent the request where no "
    "key is needed",
    404: "it does not exist, or belongs to another key",
    409: "the name is already taken",
    410: "it was kept, but has expired or is damaged",
    412: "it has changed since the version that the request names",
    408: "the body arrived too slowly",
    413: "the body is too large",
    415: "the body, or a part of it, has a media type other than those described",
    422: "a field is missing, unknown or out of range; `param` names it",
    429: "overloaded, or over a quota or a token's budget; `Retry-After` says when to try again",
    500: "a fault of the service",
    502: "no attempt gave a usable picture",
    503: "not ready, or out of memory",
    504: "the request's deadline passed, or the operator's time limit for a response",
    507: "there is no room to keep it: remove jobs that have ended, or uploaded pictures",
}
COMPONENTS = "#/components/schemas/{model}"
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {
            "application/json": {"schema": {"$ref": COMPONENTS.format(model=ErrorResponse.__name__)}}
        },
    }
    for status, text in REFUSALS.items()
}
"""The schema is a reference, not a model: FastAPI would build a validator for each error of each route."""
HEADERS = {
    "X-Request-ID": "the caller's own id, or a new one",
    "X-Seed": "the seed that was used; for a scene `character=42; background=123`, for several "
    "characters `characters=42,43; background=123`",
    "X-Merge": "how the layers were merged, and the confidence of the cut-out: `cutout; confidence=0.97`, "
    "for several characters `cutout,paste; confidence=0.97,0.31`",
    "X-Cast": "the members of the cast that are shown: `character=mira@3`, for several characters "
    "`characters=mira@3,-`",
    "X-Consistency": "how similar a member of the cast is to its reference, 0 to 1: `character=0.91`, for "
    "several characters `characters=0.91,-`",
    "X-Backend": "`diffusers`, or `simulated` if any layer was painted without a model",
    "X-Degraded": "what differs from the request; sent only if something does",
    "X-Usage": "the usage of the picture, as `usage` in JSON: `device_s=1.25; megapixel_steps=7.4`",
    "X-Safety": "how the picture was judged, if it was: `score=0.03; flagged=false`",
    "X-Upscaled": "how the picture was enlarged, if it was: `lanczos; factor=4`",
    "Server-Timing": "milliseconds in each stage, such as `character-denoise;dur=812.0`, for several "
    "characters `character-0-denoise`",
    "Location": "the address of the job, the story or the member of the cast",
    "Preference-Applied": "`respond-async`, if the request preferred it",
    "Idempotent-Replayed": "`true` if the response was made for an earlier request with the same key",
    "ETag": "the version of the picture or of the member; a picture has another one only if it was painted "
    "again and is not the same",
    "Cache-Control": "`private, immutable` for a picture; `private, no-cache` for a story's page, which may "
    "be painted again; `no-store` for events",
    "Vary": "`Accept`, if it chooses between a picture and JSON",
    "Retry-After": "seconds to wait before trying again",
    "WWW-Authenticate": "`Bearer`",
}


def error_schemas() -> dict[str, Any]:
    """Return the components that ERRORS refers to."""
    schema = ErrorResponse.model_json_schema(ref_template=COMPONENTS)
    return {**schema.pop("$defs"), ErrorResponse.__name__: schema}


def responses_of(
    description: str, kinds: Iterable[str] = (), headers: Iterable[str] = (), status: int = 200
) -> dict[int | str, dict[str, Any]]:
    """Return a response's part of an operation: media types besides JSON, and headers that it may carry."""
    content: dict[str, Any] = {"content": {kind: {} for kind in kinds}} if kinds else {}
    named = {name: describe_response_header(name) for name in headers}
    return {status: {"description": description, "headers": named, **content}}


def describe_response_header(name: str) -> dict[str, Any]:
    return {"description": HEADERS[name], "schema": {"type": "string"}}


OF_A_SCENE = (
    "X-Seed",
    "X-Merge",
    "X-Cast",
    "X-Consistency",
    "X-Backend",
    "X-Usage",
    "X-Safety",
    "X-Upscaled",
    "X-Degraded",
    "Server-Timing",
)
BY_ACCEPT = (
    "JSON, the picture itself, or events while it is painted, depending on `Accept`: `layer.queued` "
    "(`layer`, `ahead`) if a layer waits, `layer.progress` (`layer`, `step`, `steps`, `preview`) and "
    "`layer.completed`, each with an `index` for one of several characters; for a scene also `scene.preview` "
    "and `scene.completed`; `error` if it fails"
)
LAYER = responses_of(
    BY_ACCEPT,
    (*FORMATS, EVENTS),
    (*(name for name in OF_A_SCENE if name != "X-Merge"), "Cache-Control"),
)
SCENE = responses_of(BY_ACCEPT, (*FORMATS, EVENTS), (*OF_A_SCENE, "Cache-Control"))
MERGED = responses_of(
    "JSON or the picture itself, depending on `Accept`",
    FORMATS,
    ("X-Merge", "X-Safety", "X-Upscaled", "Server-Timing"),
)


def describe_query(shape: type[BaseModel]) -> dict[str, Any]:
    """Return the query's part of an operation."""
    fields = _schema(shape)["properties"]
    return {"parameters": [{"name": name, "in": "query", "schema": fields[name]} for name in fields]}


def describe_header(name: str, pattern: str, description: str) -> dict[str, Any]:
    """Return an optional header's part of an operation."""
    schema = {"type": "string", "pattern": pattern, "description": description}
    return {"parameters": [{"name": name, "in": "header", "schema": schema}]}


def describe_headers(described: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return the part of an operation that describes optional headers, each by its pattern and text."""
    parts = (describe_header(name, pattern, words) for name, (pattern, words) in described.items())
    return together(*parts)


def together(*parts: dict[str, Any]) -> dict[str, Any]:
    """Join the parameters of several parts of an operation."""
    return {"parameters": [each for part in parts for each in part["parameters"]]}


def describe_body(shape: type[BaseModel], required: bool = True) -> dict[str, Any]:
    """Return the request body's part of an operation."""
    content = {"application/json": {"schema": _schema(shape)}}
    return {"requestBody": {"required": required, "content": content}}


def describe_form(
    files: Mapping[str, int], field: str | None = None, shape: type[BaseModel] | None = None
) -> dict[str, Any]:
    """Return a form's part of an operation.

    It has picture `files`, each with the most times it may occur, and one optional JSON `field`.
    """
    picture = {"type": "string", "format": "binary"}
    pictures: dict[str, Any] = {
        name: picture if most == 1 else {"type": "array", "items": picture, "minItems": 1, "maxItems": most}
        for name, most in files.items()
    }
    options = {} if field is None or shape is None else {field: _schema(shape)}
    properties = {**pictures, **options}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(files),
        "additionalProperties": False,
    }
    kinds = {**dict.fromkeys(files, ", ".join(FORMATS)), **dict.fromkeys(options, "application/json")}
    encoding = {name: {"contentType": kind} for name, kind in kinds.items()}
    return {
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": schema, "encoding": encoding}},
        }
    }


def describe_fields(files: Mapping[str, int], shape: type[BaseModel]) -> dict[str, Any]:
    """Return the part of an operation that takes a form of files and of `shape`'s fields, one part each."""
    whole = _schema(shape)
    picture = {"type": "string", "format": "binary"}
    properties = {name: _not_null(field) for name, field in whole["properties"].items()}
    properties |= {
        name: picture if most == 1 else {"type": "array", "items": picture, "minItems": 1, "maxItems": most}
        for name, most in files.items()
    }
    schema = whole | {"properties": properties, "required": [*whole["required"], next(iter(files))]}
    encoding = {name: {"contentType": ", ".join(FORMATS)} for name in files}
    content = {"multipart/form-data": {"schema": schema, "encoding": encoding}}
    return {"requestBody": {"required": True, "content": content}}


def _not_null(field: dict[str, Any]) -> dict[str, Any]:
    """Drop null from a field's options, since a form cannot send it, and the titles of plain fields."""
    options = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    whole = {**options[0], **field} if len(options) == 1 else {**field, "anyOf": options}
    dropped = {"anyOf"} if len(options) == 1 else set()
    dropped |= {"title"} if whole.get("type") != "object" else set()
    dropped |= {"default"} if whole.get("default", 0) is None else set()
    return {key: value for key, value in whole.items() if key not in dropped}


@cache
def _schema(shape: type[BaseModel]) -> Any:
    """Return a model's schema, built once. A caller that changes it must copy it first."""
    schema = shape.model_json_schema(ref_template=COMPONENTS)
    return _inlined(schema, schema.pop("$defs", {}))


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """Resolve references in place: FastAPI collects components only from what it parses itself."""
    if isinstance(node, dict):
        if "$ref" in node:
            meant = definitions[node["$ref"].rpartition("/")[2]]
            return _inlined({**meant, **{key: node[key] for key in node if key != "$ref"}}, definitions)
        return {key: _inlined(value, definitions) for key, value in node.items()}
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    return node
