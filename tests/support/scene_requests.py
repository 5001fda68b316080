"""Requests for scenes, and the error in a response."""

from __future__ import annotations

from typing import Any

import httpx

SMALL: dict[str, Any] = {"prompt": "a", "steps": 1, "width": 64, "height": 64}


SCENE: dict[str, Any] = {"character": SMALL, "background": SMALL, "merge": {"width": 128, "height": 64}}


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the error in a response, which has the same shape for every failure."""
    body: dict[str, Any] = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert set(error) == {"type", "code", "message", "param", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"]
    return error
