"""Make docs/api.md from the OpenAPI page: `python -m docs.api_page > docs/api.md`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_api

from .api_examples import EXAMPLES

HEAD = """# The HTTP API

Made from `/openapi.json` by `python -m docs.api_page > docs/api.md`; a test keeps it true and runs
every example.

In a request `null` means left out. Every GET route supports HEAD. A body may begin with a byte order
mark, and come with a `Content-Encoding` of gzip or deflate: its limits are those of what it decodes to.

Every response carries `X-Request-ID`, the caller's own or a new one. An error is `{"error": {"type",
"code", "message", "param", "request_id"}}`; `param` names the field at fault. 429 and 503 carry
`Retry-After`. Where the service requires keys, send `Authorization: Bearer sw_…` (`scenewright keys
create NAME`).

A response is JSON, a picture or a stream of events, by `Accept`: `application/json`, `image/jpeg`,
`image/png`, `image/webp`, `text/event-stream`. The events of a scene:

- `layer.queued` (`layer`, `ahead`) only where a layer waits on its replica: `ahead` layers come before
  it, those under way among them. It is sent again when that changes, and with 0 when its turn has come;
- `layer.progress` (`layer`, `step`, `steps`, and on some of them `preview`, a small JPEG in base64);
- `scene.preview` (`preview`), all layers together so far;
- `layer.completed` (`layer`, `seed`, `degraded`);
- `scene.completed` with the JSON response; or `error` with the error's body.

Of several characters (`characters`) each event of one has its `index` too. Their seeds, where only the
scene's own is given, are that seed for the first, one more for the second, and so on.

`usage` says what a response took: `device_s` is its share of every forward that it was in, of all its
layers and attempts, `megapixel_steps` size times steps. A layer that was kept takes nothing, and equal
requests at once share. A picture has the same in `X-Usage`; OpenAI's responses have it beside their
counts of tokens, which are zero.

A layer alone has the first two, and ends with `layer.completed` and the JSON response. Pass over events
that you do not know, and lines that begin with a colon, which only keep the connection alive. The
events of a job are `scene.ended`, `job.progress` and `job.ended`; `ahead` in the latter two counts the
scenes of your earlier jobs, which come first. A stream ends after a quarter of an hour at the latest;
a client that connects again gets every ended scene again, or with `Last-Event-ID` (each event of a job has
an `id`) of those alone that were not sent.

A job's picture that is damaged where it is kept is painted again from the job's own words and seeds: 503
with `Retry-After` until then, and 410 `gone` where that cannot be done. `repaints` and `changed` of the
job's scene, and `X-Degraded: picture: repainted` where it is not the same as before, declare it.

With `"output": {"as": "url"}`, and `"response_format": "url"` on OpenAI's route, each picture is a signed
link that needs no key and ends after an hour (`results.link_ttl_s`). An altered link is 403, one that ended
410. With `Prefer: respond-async` painting goes on as a job: 202 with its `Location`. A scene's request with
an `Idempotency-Key` is painted once, and returns the same response for a day
([behind a proxy](guides/proxies.md)).
A page in a browser paints with a token of `POST /v1/tokens` ([browsers](guides/browsers.md)).

OpenAI's client works against `/v1/images/generations` and `/v1/images/edits`:
`OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")`. In a form an empty text and `null` mean left
out; an object is JSON, or has a part for each of its fields, such as `merge[position]`.
"""


def page() -> str:
    """Return the text of the whole file."""
    nothing: Any = None
    api = build_api(ServiceConfig(), Graph(nothing, nothing, nothing)).openapi()
    parts = [HEAD]
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            parts.append("\n".join(_route(method.upper(), path, operation, api)))
    return "\n".join(parts)


def _route(method: str, path: str, operation: dict[str, Any], api: dict[str, Any]) -> Iterator[str]:
    yield f"## {method} {path}\n"
    if "description" in operation:
        yield f"{operation['description']}\n"
    body = operation.get("requestBody")
    if body:
        for kind, content in body["content"].items():
            yield f"Body (`{kind}`):\n"
            yield from _fields(content["schema"], api)
    parameters = operation.get("parameters", [])
    if parameters:
        yield "Parameters:\n"
        for each in parameters:
            yield f"- `{each['name']}` ({each['in']}): {_kind(each['schema'], api)}"
        yield ""
    responses = [(status, response) for status, response in operation["responses"].items() if status < "3"]
    for status, response in responses:
        kinds = ", ".join(f"`{kind}`" for kind in response.get("content", {}))
        yield f"Returns {status}: {kinds}.\n"
        shape = response.get("content", {}).get("application/json", {}).get("schema")
        if shape and "$ref" in shape:
            yield from _fields(shape, api)
    errors = sorted(status for status in operation["responses"] if status >= "4")
    yield f"Errors: {', '.join(errors)}.\n"
    for example in EXAMPLES:
        if (example.method, example.route) == (method, path):
            yield f"```sh\n{example.curl()}\n```\n"
            yield f"```python\n{example.python()}\n```\n"


def _fields(shape: dict[str, Any], api: dict[str, Any]) -> Iterator[str]:
    yield from _lines(shape, api)
    yield ""


def _lines(shape: dict[str, Any], api: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a line for each field, and below an object's line those of its own fields."""
    shape = _resolved(shape, api)
    for name, field in shape.get("properties", {}).items():
        needed = " **required**" if name in shape.get("required", []) else ""
        yield f"{indent}- `{name}`{needed}: {_kind(field, api)}"
        for option in _options(field, api):
            inner = _resolved(option.get("items", option), api)
            if len(indent) < DEEPEST:
                yield from _lines(inner, api, indent + "  ")


def _kind(field: dict[str, Any], api: dict[str, Any]) -> str:
    """Return type, bounds, default and description, on one line."""
    shape, options = _resolved(field, api), _options(field, api)
    facts = [" or ".join(dict.fromkeys(_type(option, api) for option in options))]
    for option in options:
        facts += [f"{words} {option[key]}" for key, words in BOUNDS.items() if key in option]
    if isinstance(shape.get("default"), bool | int | float | str):
        facts.append(f"default `{json.dumps(shape['default'])}`")
    text = ", ".join(dict.fromkeys(facts))
    described = next((each for each in (shape, *options[:1]) if "description" in each), None)
    if described is None or (described is not shape and len(options) > 1):
        return f"{text}."
    return f"{text}. {_sentence(described['description'])}"


def _options(field: dict[str, Any], api: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the types that a field may have, except null."""
    shape = _resolved(field, api)
    options = [_resolved(option, api) for option in shape.get("anyOf", [shape])]
    return [option for option in options if option.get("type") != "null"]


DEEPEST = 4
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "multipleOf": "a multiple of",
    "minItems": "at least",
    "maxItems": "at most",
}


def _type(option: dict[str, Any], api: dict[str, Any]) -> str:
    if "enum" in option:
        return " | ".join(f"`{value}`" for value in option["enum"])
    if "const" in option:
        return f"`{option['const']}`"
    if option.get("type") == "array" and "items" in option:
        return f"list of {_type(_resolved(option['items'], api), api)}"
    return str(option.get("type", "any"))


def _resolved(shape: dict[str, Any], api: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in shape:
        return shape
    found: dict[str, Any] = api["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
    return {**found, **{key: value for key, value in shape.items() if key != "$ref"}}


def _sentence(words: str) -> str:
    first = " ".join(words.split())
    first = first if first.startswith("`") else first[0].upper() + first[1:]
    return first if first.endswith((".", "?", "!")) else f"{first}."


if __name__ == "__main__":
    print(page(), end="")
