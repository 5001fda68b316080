"""Callers that leave, are slow, send too much, all come at once, or set a short deadline."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from serve.config.service_config import ServiceConfig
from tests.support.drill_row import Row
from tests.support.drilled_service import BODY_TIMEOUT_S, painting, requested, scene
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_caller_leaves(http: httpx.Client, url: str, row: Row) -> None:
    row.promises("the caller is gone", "its work stops within a step")
    until(lambda: painting() == 0)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/v1/scenes", json=scene(steps=140), timeout=2, trust_env=False)
    left = time.monotonic()
    until(lambda: painting() == 0)
    row.saw(f"7 s of painting left, and nothing painted {time.monotonic() - left:.1f} s later")


def test_one_of_many_leaves(http: httpx.Client, url: str, row: Row) -> None:
    row.promises("one of four callers gone midway", "the others' pictures are what they would have been")
    undisturbed = [http.post("/v1/scenes", json=scene(20) | {"seed": seed}).content for seed in range(3)]
    with ThreadPoolExecutor(4) as pool:
        others = [requested(http, pool, steps=20, seed=seed) for seed in range(3)]
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/v1/scenes", json=scene(140), timeout=0.7, trust_env=False)
        responses = [other.result() for other in others]
    assert [response.status_code for response in responses] == [200] * 3
    assert [response.content for response in responses] == undisturbed
    row.saw("3 of 3 as without it, byte for byte")


def test_a_slow_body(http: httpx.Client, url: str, row: Row) -> None:
    row.promises(
        f"a body that does not arrive within its limit ({BODY_TIMEOUT_S:g} s here)", "408, and no work"
    )
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), 60) as connection:
        connection.sendall(
            b"POST /v1/scenes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99\r\n\r\n{"
        )
        begun = time.monotonic()
        status = connection.recv(4096).split(b"\r\n")[0]
    assert b" 408 " in status
    row.saw(f"408 after {time.monotonic() - begun:.1f} s")


def test_uploads_that_stall(http: httpx.Client, url: str, row: Row) -> None:
    count = 40
    row.promises(
        f"{count} uploads of 15.9 MB at once that stall",
        "what their sum may hold is let in, the rest are 429 unread; scenes beside them are painted",
    )
    place = urlsplit(url)
    with ExitStack() as open_ones:
        uploads = [
            open_ones.enter_context(socket.create_connection((place.hostname, place.port), 60))
            for _ in range(count)
        ]
        for upload in uploads:
            upload.sendall(
                b"POST /v1/merges HTTP/1.1\r\nHost: localhost\r\nContent-Length: 15900000\r\n"
                b"Content-Type: multipart/form-data; boundary=B\r\n\r\n--B"
            )
        begun = time.monotonic()
        assert http.post("/v1/scenes", json=scene()).status_code == 200
        took_s = time.monotonic() - begun
        statuses = Counter(int(upload.recv(4096).split(b" ")[1]) for upload in uploads)
    assert set(statuses) == {408, 429}
    assert statuses[429] >= count - 2 * 4, "each of two edge replicas admits four at once"
    row.saw(
        f"{statuses[429]} 429, {statuses[408]} 408 at their time limit; a scene beside them {took_s:.1f} s"
    )


def test_headers_that_never_end(http: httpx.Client, url: str, row: Row) -> None:
    row.promises(
        "50 callers whose headers never end", "they hold a connection each, and delay no other caller"
    )
    place = urlsplit(url)
    with ExitStack() as open_ones:
        for _ in range(50):
            slow = open_ones.enter_context(socket.create_connection((place.hostname, place.port), 60))
            slow.sendall(b"POST /v1/scenes HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        begun = time.monotonic()
        assert http.post("/v1/scenes", json=scene()).status_code == 200
        took_s = time.monotonic() - begun
        assert painting() == 0
    row.saw(f"a scene beside them returned 200 in {took_s:.1f} s")


def test_idle_streams(http: httpx.Client, drilled: ServiceConfig, row: Row) -> None:
    row.promises(
        "more event streams of a waiting job than there are places for",
        "429 with Retry-After for what is too many; health and others' scenes are served",
    )
    places = drilled.limits.max_streams * 2  # of two edge replicas
    job = http.post("/v1/jobs", json={"scenes": [scene(140, seed=7)] * 200}).json()["id"]
    # A stream's response begins as soon as it is admitted: nothing else is waited for.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    with (
        httpx.Client(base_url=http.base_url, timeout=60, trust_env=False, limits=limits) as many,
        ExitStack() as open_ones,
    ):
        responses = [
            open_ones.enter_context(many.stream("GET", f"/v1/jobs/{job}/events")) for _ in range(places + 20)
        ]
        counts = Counter(response.status_code for response in responses)
        assert set(counts) == {200, 429}
        refused = [response for response in responses if response.status_code == 429]
        assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
        slowest = 0.0
        for path in ("/healthz", "/readyz") * 10:
            begun = time.monotonic()
            assert http.get(path).status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
        assert http.post("/v1/scenes", json=scene()).status_code == 200
    http.delete(f"/v1/jobs/{job}")
    row.saw(
        f"of {places + 20} streams {counts[200]} open and {counts[429]} 429; /healthz and /readyz 200, "
        f"the slowest in {slowest:.2f} s; a scene 200"
    )


@pytest.mark.parametrize("name", ["X-Request-ID", "X-Session-Id", "serve_multiplexed_model_id"])
def test_a_header_that_is_not_utf_8(http: httpx.Client, row: Row, name: str) -> None:
    row.promises(f"a header {name} that is not UTF-8", "400 in the documented form")
    response = http.get("/healthz", headers=[(name.encode(), b"caf\xe9")])
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_header")
    row.saw("400 invalid_header")


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_body_over_the_limit(http: httpx.Client, row: Row, announced: bool) -> None:
    row.promises(f"a body over the limit, {'announced' if announced else 'in chunks'}", "413")
    piece = b" " * 65_536

    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield piece

    content = piece * 40 if announced else pieces()
    response = http.post("/v1/scenes", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "payload_too_large"
    row.saw("413 payload_too_large")


def test_more_than_it_can_queue(http: httpx.Client, row: Row) -> None:
    row.promises(
        "more requests than fit into the queues",
        "429 `overloaded` with Retry-After, and the rest are painted",
    )
    with ThreadPoolExecutor(24) as pool:
        responses = [future.result() for future in [requested(http, pool, steps=20) for _ in range(24)]]
    counts = Counter(response.status_code for response in responses)
    assert set(counts) == {200, 429}
    for refused in (response for response in responses if response.status_code == 429):
        assert refused.json()["error"]["code"] == "overloaded"
        assert int(refused.headers["retry-after"]) >= 1
    row.saw(f"of 24 at once {counts[200]} returned 200 and {counts[429]} 429, nothing else")


def test_no_time(http: httpx.Client, row: Row) -> None:
    row.promises("a deadline that cannot be kept", "refused at once: 504, and nothing painted")
    begun = time.monotonic()
    response = http.post("/v1/scenes", json=scene(140, deadline_s=1.0))
    took_s = time.monotonic() - begun
    assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_exceeded")
    until(lambda: painting() == 0)
    row.saw(f"504 after {took_s:.1f} s of a deadline of 1 s")
