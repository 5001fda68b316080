"""Retry only what may be retried, when it may be: the policy, and a client that follows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from scenewright import (
    GenerationFailed,
    InvalidRequest,
    NotReady,
    NotScenewright,
    Overloaded,
    Retries,
    Scenewright,
    ScenewrightError,
    ServerUnreachable,
    errors,
    sessions,
)
from scenewright.errors import error_of
from serve.http.haproxy_config import early_errors
from serve.http.serve_answers import INTERNAL

BUSY = Overloaded(429, "overloaded", "busy", retry_after_s=7)


def test_the_waits_that_the_service_requests_are_kept() -> None:
    assert Retries().wait_s(BUSY, 1, repeatable=False, dice=0.3) == 7
    assert Retries().wait_s(NotReady(503, "not_ready", "loading"), 1, repeatable=False, dice=1) == 0.5


def test_waits_grow_and_are_spread() -> None:
    unsaid = Overloaded(429, "overloaded", "busy")
    waits = [[Retries().wait_s(unsaid, tries, False, dice) for dice in (0, 1)] for tries in (1, 2, 3)]
    assert waits == [[0.25, 0.5], [0.5, 1.0], [1.0, 2.0]]


def test_patience_ends() -> None:
    assert Retries(most=2).wait_s(BUSY, 2, False, 0) == 7
    assert Retries(most=2).wait_s(BUSY, 3, False, 0) is None
    assert Retries(longest_wait_s=6.9).wait_s(BUSY, 1, False, 0) is None


@pytest.mark.parametrize(
    "failure",
    [InvalidRequest(422, "invalid_request", "no"), GenerationFailed(502, "generation_failed", "no")],
)
def test_what_would_fail_again_is_not_requested_again(failure: ScenewrightError) -> None:
    assert Retries().wait_s(failure, 1, repeatable=True, dice=0) is None


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_request_that_never_arrived_is_requested_again(repeatable: bool) -> None:
    late = error_of(408, {"error": {"code": "request_timeout", "message": "late"}})
    assert Retries().wait_s(late, 1, repeatable, dice=1) == 0.5


def test_what_serve_says_for_a_replica_that_died_is_requested_again() -> None:
    body = {"error": {"code": "internal", "message": INTERNAL.message, "request_id": "r"}}
    lost = error_of(500, body)
    assert Retries().wait_s(lost, 1, repeatable=True, dice=1) == 0.5
    assert Retries().wait_s(lost, 1, repeatable=False, dice=1) is None
    own = error_of(500, {"error": {**body["error"], "message": "something went wrong on our side"}})
    assert Retries().wait_s(own, 1, repeatable=True, dice=1) is None


def test_a_lost_answer_is_requested_again_only_where_that_does_no_harm() -> None:
    assert Retries().wait_s(ServerUnreachable("cut"), 1, repeatable=True, dice=1) == 0.5
    assert Retries().wait_s(ServerUnreachable("cut"), 1, repeatable=False, dice=1) is None


def test_a_proxy_that_answers_for_a_lost_replica_is_no_answer() -> None:
    lost, strange = (NotScenewright(status, "not_scenewright", "no") for status in (500, 404))
    assert Retries().wait_s(lost, 1, repeatable=True, dice=1) == 0.5
    assert Retries().wait_s(lost, 1, repeatable=False, dice=1) is None
    assert Retries().wait_s(strange, 1, repeatable=True, dice=1) is None


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthenticated", errors.Unauthenticated),
        (403, "forbidden", errors.Forbidden),
        (404, "not_found", errors.NotFound),
        (422, "cutout_failed", errors.CutoutFailed),
        (413, "payload_too_large", errors.InvalidRequest),
        (429, "rate_limited", errors.Overloaded),
        (503, "out_of_memory", errors.OutOfMemory),
        (504, "deadline_exceeded", errors.DeadlineExceeded),
        (500, "internal", errors.ScenewrightError),
    ],
)
def test_errors_have_types(status: int, code: str, kind: type[ScenewrightError]) -> None:
    reported = errors.error_of(status, {"error": {"code": code, "message": "m", "request_id": "r"}}, 3)
    assert type(reported) is kind
    assert (reported.code, reported.request_id, reported.retry_after_s) == (code, "r", 3)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    waits: list[float] = []
    monkeypatch.setattr(sessions.time, "sleep", waits.append)
    return waits


def test_the_client_waits_for_retry_after_and_sends_again(slept: list[float]) -> None:
    requested: list[Any] = []

    def response(request: httpx.Request) -> httpx.Response:
        requested.append(json.loads(request.content))
        if len(requested) < 3:
            error = {"error": {"code": "overloaded", "message": "busy"}}
            return httpx.Response(429, json=error, headers={"Retry-After": str(len(requested))})
        return httpx.Response(202, json={"id": "j"})

    client = Scenewright("http://scenes:1", transport=httpx.MockTransport(response))
    assert client.submit_job([{"character": "a", "background": "b"}]) == {"id": "j"}
    assert slept == [1, 2]
    assert requested[0] == requested[2]


@pytest.mark.parametrize(
    ("words", "options", "requested"),
    [
        (("a", "b"), {"seed": 7}, 2),
        (({"prompt": "a", "seed": 0}, {"prompt": "b", "seed": 1}), {}, 2),
        (("a", {"prompt": "b", "seed": 1}), {}, 1),
        (("a", "b"), {}, 1),
    ],
)
def test_a_scene_is_requested_again_where_its_seeds_make_it_the_same(
    slept: list[float], words: Any, options: dict[str, Any], requested: int
) -> None:
    bodies: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(500, text="Internal Server Error")

    patient = Scenewright("http://scenes:1", transport=httpx.MockTransport(answer), retries=Retries(most=1))
    with pytest.raises(NotScenewright):
        patient.scene(*words, **options)
    assert len(bodies) == requested
    with pytest.raises(NotScenewright):
        next(patient.scene_events(*words, **options))
    assert bodies == [bodies[0]] * 2 * requested


def test_a_job_whose_answer_was_lost_is_sent_again_under_the_same_key(slept: list[float]) -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ReadError("cut")
        return httpx.Response(202, json={"id": "j"})

    client = Scenewright("http://scenes:1", transport=httpx.MockTransport(answer))
    client.submit_job([])
    assert keys[0] == keys[1]
    client.submit_job([])
    assert keys[2] != keys[0]


def test_what_haproxy_answers_for_a_replica_that_died_is_lost_on_the_way() -> None:
    """Its body has the documented form, without an id: HAProxy reads it from a file (haproxy_config.py)."""
    body = early_errors()["502.http"].partition("\r\n\r\n")[2]
    lost = error_of(500, json.loads(body))
    assert Retries().wait_s(lost, 1, repeatable=True, dice=1) == 0.5
    assert Retries().wait_s(lost, 1, repeatable=False, dice=1) is None
    own = ScenewrightError(500, "internal", "something went wrong", request_id="a1")
    assert Retries().wait_s(own, 1, repeatable=True, dice=1) is None
