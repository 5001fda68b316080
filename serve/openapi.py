"""What FastAPI cannot see for itself: bodies are read by hand (strict JSON), every error has one shape."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from .answers import FORMATS
from .event_stream import EVENTS
from .schema import ErrorAnswer

REFUSALS = {
    400: "not JSON, or a header that is not accepted",
    401: "no key, or none that is known here",
    403: "the key may not do this",
    408: "the body came too slowly",
    413: "the body is too large",
    415: "the body is not application/json",
    422: "a field is missing, unknown or out of range; `param` names it",
    429: "overloaded, or over this key's quota; `Retry-After` says when to come back",
    500: "our fault",
    502: "no attempt gave a usable picture",
    503: "not ready, or out of memory",
    504: "the deadline passed",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": text} for status, text in REFUSALS.items()
}
PICTURES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "JSON, the picture itself, or events on the way to it, by `Accept`",
        "content": {kind: {} for kind in (*FORMATS, EVENTS)},
    }
}


def describe_query(shape: type[BaseModel]) -> dict[str, Any]:
    """The query's part of an operation."""
    fields = shape.model_json_schema()["properties"]
    return {"parameters": [{"name": name, "in": "query", "schema": fields[name]} for name in fields]}


def describe_header(name: str, description: str) -> dict[str, Any]:
    """An optional header's part of an operation."""
    schema = {"type": "string", "description": description}
    return {"parameters": [{"name": name, "in": "header", "schema": schema}]}


def describe_body(shape: type[BaseModel]) -> dict[str, Any]:
    """The request body's part of an operation."""
    schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    content = {"application/json": {"schema": _inlined(schema, definitions)}}
    return {"requestBody": {"required": True, "content": content}}


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """References resolved in place: FastAPI collects components only from what it parses itself."""
    if isinstance(node, dict):
        if "$ref" in node:
            meant = definitions[node["$ref"].rpartition("/")[2]]
            return _inlined({**meant, **{key: node[key] for key in node if key != "$ref"}}, definitions)
        return {key: _inlined(value, definitions) for key, value in node.items()}
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    return node
