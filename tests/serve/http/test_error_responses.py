from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi import Request
from ray.exceptions import RayTaskError

from deployments import errors
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.error_responses import ClientGone, Refusal, error_response
from serve.http.strict_json import InvalidJson
from serve.ingress import build_http
from tests.support.fake_handles import Handle, Method
from tests.support.local_service import captured

SCENE = {"character": "a knight", "background": "a castle"}


def body_of(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    response = error_response(Request({"type": "http", "state": {"request_id": "r1"}}), error)
    body = json.loads(bytes(response.body))
    assert set(body) == {"error"}
    assert set(body["error"]) == {"type", "code", "message", "param", "request_id"}
    assert body["error"]["request_id"] == "r1"
    return response.status_code, body["error"], dict(response.headers)


@pytest.mark.parametrize(
    ("error", "status", "code", "kind"),
    [
        (errors.InvalidRequest("no", "seed"), 422, "invalid_request", "invalid_request_error"),
        (errors.CutoutFailed("no", "seed"), 422, "cutout_failed", "invalid_request_error"),
        (errors.Overloaded("no", "seed"), 429, "overloaded", "rate_limit_error"),
        (errors.GenerationFailed("no", "seed"), 502, "generation_failed", "server_error"),
        (errors.NotReady("no", "seed"), 503, "not_ready", "server_error"),
        (errors.ModelUnusable("no", "seed"), 503, "not_ready", "server_error"),
        (errors.OutOfMemory("no", "seed"), 503, "out_of_memory", "server_error"),
        (errors.DeadlineExceeded("no", "seed"), 504, "deadline_exceeded", "server_error"),
        (Refusal(413, "payload_too_large", "no", "seed"), 413, "payload_too_large", "invalid_request_error"),
        (InvalidJson("no"), 400, "invalid_json", "invalid_request_error"),
        (ClientGone(), 499, "client_closed_request", "invalid_request_error"),
    ],
)
def test_the_table(error: Exception, status: int, code: str, kind: str) -> None:
    got, body, headers = body_of(error)
    assert (got, body["code"], body["type"]) == (status, code, kind)
    if isinstance(error, errors.ScenewrightError):
        assert (body["message"], body["param"]) == ("no", "seed")
    assert ("retry-after" in headers) == (status in (429, 503))


@pytest.mark.parametrize(("wait_s", "said"), [(0.2, "1"), (7.1, "8"), (None, "5")])
def test_when_to_come_back_in_whole_seconds(wait_s: float | None, said: str) -> None:
    assert body_of(errors.NotReady("loading", retry_after_s=wait_s))[2]["retry-after"] == said


def test_an_error_that_came_through_a_handle_is_the_same_error() -> None:
    raised = errors.CutoutFailed("a poor matte", "merge.mode")
    wrapped = RayTaskError("merge", "traceback: /secret", raised).as_instanceof_cause()
    status, body, _ = body_of(wrapped)
    assert (status, body["message"], body["param"]) == (422, "a poor matte", "merge.mode")


async def test_our_own_faults_report_nothing_but_the_id(
    config: ServiceConfig, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Handle(paint=Method(RuntimeError("/secret/path of StableDiffusionPipeline")))
    graph: Any = Graph(broken, broken, broken)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(build_http(config, graph))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        with captured(caplog):
            got = await client.post("/v1/scenes", json=SCENE, headers={"X-Request-ID": "find-me"})
    assert got.status_code == 500
    error = got.json()["error"]
    assert (error["code"], error["type"], error["request_id"]) == ("internal", "server_error", "find-me")
    assert "secret" not in got.text
    assert "find-me" in caplog.text
    assert "/secret/path" in caplog.text


async def test_an_answer_of_ours_that_does_not_validate_is_our_fault(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.api.model_list._entry", lambda *_: ServiceConfig.model_validate({"tone": 1}))
    response = await client.get("/v1/models")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
