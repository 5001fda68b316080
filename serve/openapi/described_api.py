"""Complete the OpenAPI page: each route's errors, the headers of every response, and this service's limits.

The wire format's own bounds (serve/api/wire.py) hold for any service. This service's limits are narrower, so
the page states those.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from fastapi import FastAPI

from ..auth.middleware import PUBLIC, SIGNED
from ..config.service_config import ServiceConfig
from ..http.request_slots import HEALTH
from .described_limits import name_models, narrow
from .fragments import describe_response_header, error_schemas

STORIES, PAGE = "/v1/stories", "/v1/stories/{story_id}/pages/{index}"
REPAINT, BOOK = f"{PAGE}/repaint", "/v1/stories/{story_id}/book."
EVERYWHERE = {"400", "500"}
WITH_A_KEY = {"401", "403", "429", "503"}
WITH_A_BODY = {"408", "413", "415", "422"}
WITHOUT_A_BODY = {"408", "413"}
"""A small body sent anyway is read and dropped, except at health checks (serve/http/body_limits.py)."""
PAINTED = {"502", "504"}
FROM_PICTURES = {
    "/v1/scenes",
    "/v1/characters",
    "/v1/backgrounds",
    "/v1/images/generations",
    "/v1/jobs",
    STORIES,
    REPAINT,
}
"""Routes whose layers may start from an uploaded picture, whose file may turn out to be damaged."""
KEPT_FILES = ("/v1/jobs/{job_id}/scenes/{index}", "/v1/pictures/{picture_id}", PAGE, f"{SIGNED}{{name}}")
KEEPING = FROM_PICTURES | {"/v1/merges", "/v1/pictures", "/v1/cast", STORIES, REPAINT}
"""Routes that keep what they receive, or the pictures of their response if links to them are requested."""
MEMBER = "/v1/cast/{name}"
SHEET = "/v1/cast/{name}/sheet"


BODIES = {
    "/v1/characters": "character",
    "/v1/backgrounds": "background",
    "/v1/cast": "member",
    MEMBER: "member",
    SHEET: "character",
}
"""The kind of the one part that a whole body describes."""


class DescribedApi(FastAPI):
    """A FastAPI application that completes its OpenAPI page when it is first requested."""

    def __init__(self, config: ServiceConfig, **options: Any) -> None:
        super().__init__(**options)
        self._config = config

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _completed(deepcopy(super().openapi()), self._config)
        return self.openapi_schema


def _completed(page: dict[str, Any], config: ServiceConfig) -> dict[str, Any]:
    schemas = page["components"]["schemas"] | error_schemas()
    page["components"]["schemas"] = dict(sorted(schemas.items()))
    page["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in page["paths"].items():
        for method, operation in operations.items():
            possible = _errors(path, method, operation)
            responses = operation["responses"]
            for status in [status for status in responses if status >= "4" and status not in possible]:
                del responses[status]
            for status, response in responses.items():
                response.setdefault("headers", {}).update(_common_headers(status))
            if not _is_public(path):
                operation["security"] = _security(config)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                kind = BODIES.get(path)
                narrow(content["schema"], config, kind)
                if path.startswith("/v1/images/"):
                    name_models(content["schema"], config)
    return page


def _errors(path: str, method: str, operation: dict[str, Any]) -> set[str]:
    places = {each["in"] for each in operation.get("parameters", [])}
    errors = set(EVERYWHERE)
    errors |= WITH_A_KEY if not _is_public(path) else set()
    errors |= {"403", "429", "503"} if path.startswith(SIGNED) else set()
    errors |= {"503"} if path == "/readyz" else set()
    errors |= {"404"} if "path" in places else set()
    errors |= {"410"} if method == "get" and path in KEPT_FILES else set()
    errors |= {"410", "422", "507"} if path.startswith(BOOK) or path == f"{PAGE}/page.psd" else set()
    errors |= {"507"} if (method, path) == ("patch", PAGE) else set()
    errors |= {"410"} if method == "post" and path in FROM_PICTURES else set()
    errors |= {"410", "422"} | PAINTED if path == SHEET else set()
    with_pictures = {
        ("post", "/v1/jobs"),
        ("post", STORIES),
        ("post", REPAINT),
        ("post", "/v1/cast"),
        ("put", MEMBER),
    }
    errors |= {"502", "504"} if (method, path) in with_pictures else set()
    errors |= {"422"} if method == "delete" and path in KEPT_FILES else set()
    errors |= (
        {"507"} if (method == "post" and path in KEEPING) or (method, path) == ("put", MEMBER) else set()
    )
    errors |= {"409"} if (method, path) == ("post", "/v1/cast") else set()
    errors |= {"412"} if method in ("put", "delete") and path == MEMBER else set()
    errors |= {"422"} if "query" in places and not path.startswith(SIGNED) else set()
    if method in ("get", "delete"):
        errors |= {"413"} if path in HEALTH else WITHOUT_A_BODY
    if "requestBody" in operation:
        errors |= WITH_A_BODY
        errors |= PAINTED if "200" in operation["responses"] else set()
    return errors


def _is_public(path: str) -> bool:
    return path in PUBLIC or path.startswith(SIGNED)


def _common_headers(status: str) -> Iterator[tuple[str, dict[str, Any]]]:
    required = {"required": True}
    yield "X-Request-ID", describe_response_header("X-Request-ID") | required
    if status in ("429", "503"):
        seconds = {"schema": {"type": "integer", "minimum": 1}}
        yield "Retry-After", describe_response_header("Retry-After") | seconds | required
    if status == "401":
        yield "WWW-Authenticate", describe_response_header("WWW-Authenticate") | required


def _security(config: ServiceConfig) -> list[dict[str, list[str]]]:
    return [{"key": []}] if config.requires_keys else []
