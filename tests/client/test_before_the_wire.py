"""Both clients say in one sentence why a request is not sent, and never include a secret."""

from __future__ import annotations

import decimal
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import numpy as np
import pytest

from scenewright import InvalidRequest, NotSent, Scenewright
from tests.support.client_answers import RESPONSE
from tests.support.sending import BOTH, NEVER, SECRET, not_sent, raised

Send = Callable[..., None]
CIRCULAR: list[Any] = []
CIRCULAR.append(CIRCULAR)
DEEP: dict[str, Any] = {}
for _ in range(5_000):
    DEEP = {"a": DEEP}


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT_"):
            monkeypatch.delenv(name)


@BOTH
@pytest.mark.parametrize(
    "url",
    [
        *(
            None,
            5,
            b"http://h",
            "",
            " ",
            "localhost:8000",
            "//h",
            "http:h",
            "ftp://h",
            "file:///etc",
            "http://",
        ),
        *(
            "http://:80",
            "http://h:99999",
            "http://h:0",
            "http://h:x",
            "http://h:80:80",
            "http://a b",
            "http://h\x00",
        ),
        *(
            "http://a..b",
            f"http://{'a' * 64}.x",
            "http://[::1",
            "http://[zz]",
            "http://\ud800",
            "http://h/\udce9",
        ),
        *("http://xn--zzzzzz--", "http://☃.例え", "http://256.256.256.256", f"http://{'a' * 3_000}"),
        *(
            f"http://user:{SECRET}@h",
            f"http://{SECRET}@h:99999",
            f"ftp://u:{SECRET}@h",
            f"http://h?key={SECRET}",
        ),
        *(f"http://h#{SECRET}", "http://h:8000/v1", "http://h/paint/v1//"),
    ],
)
def test_an_address_that_cannot_be(send: Send, url: object) -> None:
    error = not_sent(send, url)
    assert (error.param, error.status, error.code) == ("url", 0, "not_sent")
    assert "address" in error.message


@pytest.mark.parametrize("end", ["", "/", "//", "/ ", "\n", "/\n"])
@pytest.mark.parametrize("path", ["", "/paint", "//paint", "/a//b"])
def test_a_base_address_may_end_with_slashes(path: str, end: str) -> None:
    requested: list[str] = []

    def response(request: httpx.Request) -> httpx.Response:
        requested.append(request.url.path)
        return httpx.Response(200, json={"data": []})

    client = Scenewright(f"HTTP://scenes:1{path}{end}", transport=httpx.MockTransport(response))
    client.models()
    assert requested == [f"{path.replace('//', '/')}/v1/models"]
    assert client.url == f"http://scenes:1{path.replace('//', '/')}"


@BOTH
@pytest.mark.parametrize(
    "key",
    [
        *(f"{SECRET}\nx", f"{SECRET}\tx", f"{SECRET}\x00", f"{SECRET}ü", f"{SECRET}😀", f"\udce9{SECRET}"),
        *(f"Bearer {SECRET}", f"{SECRET}\x7f", SECRET * 1_000, SECRET.encode()),
    ],
)
def test_a_key_that_no_header_can_carry(send: Send, key: object) -> None:
    assert not_sent(send, "http://127.0.0.1:9", key).param == "api_key"


@pytest.mark.parametrize(
    ("key", "sent"), [("k\n", "Bearer k"), (" k\r\n", "Bearer k"), ("", None), (" \n", None)]
)
def test_a_key_from_a_file_may_end_with_a_newline(key: str, sent: str | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers.get("authorization") == sent
        return httpx.Response(200, json={"data": []})

    assert Scenewright("http://scenes:1", key, transport=httpx.MockTransport(answer)).models() == []


def test_a_key_is_in_no_repr_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    error = {"code": "unauthenticated", "message": "no such key"}
    transport = httpx.MockTransport(lambda request: httpx.Response(401, json={"error": error}))
    client = Scenewright("http://scenes:1", SECRET, retries=NEVER, transport=transport)
    with caplog.at_level(logging.DEBUG):
        raised(client.models)
    assert SECRET not in caplog.text
    assert all(SECRET not in repr(each) for each in (client, vars(client), vars(client._http)["_headers"]))


@BOTH
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "proxy",
    [
        *(
            "http://",
            f"http://u:{SECRET}@h:99999",
            f"http://u:{SECRET}@h:x",
            f"http://u:{SECRET}@:80",
            "http://[::1",
        ),
        *(
            f"foo://u:{SECRET}@h",
            "socks4://h",
            f"socks5://u:{SECRET}@h",
            f":{SECRET}@",
            "\udce9",
            f"http://{'a' * 70}",
        ),
        "http://xn--zzzzzz--",
    ],
)
def test_a_proxy_that_cannot_be(send: Send, name: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, proxy)
    assert name in not_sent(send, "http://scenes.example").message


@BOTH
@pytest.mark.parametrize("proxy", [f"http://u:{SECRET}@127.0.0.1:9", "127.0.0.1:9", " https://127.0.0.1:9 "])
def test_a_proxy_where_nobody_is(send: Send, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    assert "the proxy set in HTTP_PROXY does not respond" in str(raised(send, "http://scenes.example"))


@BOTH
@pytest.mark.parametrize("no_proxy", ["[::1", "a b", ",,", "http://x", "\udce9", "::1/128", "*.example", "*"])
def test_odd_exceptions_from_a_proxy(send: Send, no_proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    raised(send, "http://scenes.invalid")


@pytest.mark.parametrize(
    ("url", "name", "requested"),
    [
        *(("http://scenes.example", name, True) for name in ("HTTP_PROXY", "ALL_PROXY")),
        *(("http://scenes.example", name, False) for name in ("HTTPS_PROXY", "FTP_PROXY")),
        *(
            (f"http://{host}:8", "HTTP_PROXY", False)
            for host in ("127.0.0.1", "localhost", "127.9.9.9", "[::1]")
        ),
        ("http://paint.localhost", "ALL_PROXY", False),
    ],
)
def test_a_proxy_is_used_where_it_is_meant_to_be(
    url: str, name: str, requested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy set for the internet must not receive requests to this machine."""
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert Scenewright(url)._way.proxy == (name if requested else None)
    monkeypatch.setenv("NO_PROXY", ".example")
    assert Scenewright(url)._way.proxy is None


def test_settings_that_an_address_does_not_need_stop_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, "foo://garbage")
    assert Scenewright("http://127.0.0.1:8000").url == "http://127.0.0.1:8000"


@BOTH
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize(
    "content", [None, b"", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_certificates_that_cannot_be_read(
    send: Send, name: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "roots.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv(name, str(file))
    message = not_sent(send, "https://127.0.0.1:9").message
    assert name in message and str(file) in message


@BOTH
@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), None, "5"])
def test_a_time_that_cannot_be(send: Send, timeout_s: object) -> None:
    assert not_sent(send, "http://127.0.0.1:9", timeout_s=timeout_s).param == "timeout_s"


@BOTH
@pytest.mark.parametrize("timeout_s", [float("inf"), 1e300])
def test_a_time_without_end(send: Send, timeout_s: float) -> None:
    assert "no Scenewright" in str(raised(send, "http://127.0.0.1:9", timeout_s=timeout_s))


def client(requested: list[httpx.Request] | None = None) -> Scenewright:
    def response(request: httpx.Request) -> httpx.Response:
        if requested is not None:
            requested.append(request)
        return httpx.Response(200, json=RESPONSE)

    return Scenewright("http://scenes:1", retries=NEVER, transport=httpx.MockTransport(response))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        *((text, "a lone surrogate") for text in ("\ud83d", "caf\udce9", "a\udfffb")),
        *((value, "not a JSON number") for value in (float("nan"), float("-inf"), np.float32("nan"))),
        *(
            (value, "JSON does not support")
            for value in ({1}, b"x", object(), decimal.Decimal(1), np.zeros(2), 1j)
        ),
        *((value, "nested deeper") for value in (CIRCULAR, DEEP)),
        ({("a",): 1}, "the request cannot be encoded"),
        ({"\ud800": 1}, "has a key that contains a lone surrogate"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_field_that_json_cannot_carry_is_named(value: Any, why: str) -> None:
    requested: list[httpx.Request] = []
    service = client(requested)
    layer = {"prompt": "a", "more": value}
    for call, param in (
        (lambda: service.scene("a", layer), "background"),
        (lambda: service.scene("a", "b", merge=layer), "merge"),
        (lambda: service.character("a", output=layer), "output"),
        (lambda: service.merge(b"c", b"b", merge=layer), "merge"),
        (lambda: service.submit_job([{}, {"character": layer}]), "scenes"),
        (lambda: next(service.scene_events(layer, "b")), "character"),
    ):
        error = not_sent(call)
        assert why in error.message
        assert error.param is None or error.param.startswith(param)
    assert requested == []
    if why == "a lone surrogate":
        assert not_sent(lambda: service.submit_job([{}, {"character": value}])).param == "scenes.1.character"


def test_numbers_of_numpy_and_any_mapping_are_sent() -> None:
    requested: list[httpx.Request] = []
    frozen = MappingProxyType({"prompt": "b", "seed": np.int64(2), "guidance_scale": np.float32(0.5)})
    client(requested).scene("a", frozen, deadline_s=None)
    body = json.loads(requested[0].content)
    assert body["background"] == {"prompt": "b", "seed": 2, "guidance_scale": 0.5}


@pytest.mark.parametrize("words", [None, 5, [], ("a",)])
def test_what_is_no_description_is_the_services_to_refuse(words: Any) -> None:
    error = {"error": {"code": "invalid_request", "message": "no", "param": "character"}}
    transport = httpx.MockTransport(lambda request: httpx.Response(422, json=error))
    service = Scenewright("http://scenes:1", retries=NEVER, transport=transport)
    for call in (
        lambda: service.scene(words, "b", deadline_s="soon"),
        lambda: service.scene(words, "b", deadline_s=10**400),
        lambda: service.submit_job(words),
        lambda: next(service.scene_events(words, "b", deadline_s=1e300)),
    ):
        assert type(raised(call)) is InvalidRequest


@pytest.mark.parametrize("key", ["зима", "a\nb", " a", "a\x00", "\ud800", "k" * 256, 5])
def test_an_idempotency_key_that_no_header_can_carry(key: Any) -> None:
    assert not_sent(client().submit_job, [], key).param == "idempotency_key"


@pytest.mark.parametrize("job_id", ["", ".", "..", "\ud800", None, 5, "j" * 300])
def test_what_is_no_jobs_id(job_id: Any) -> None:
    service = client()
    for call in (
        service.job,
        service.cancel_job,
        service.release_job,
        lambda name: next(service.job_events(name)),
    ):
        assert not_sent(call, job_id).param == "job_id"
    assert not_sent(service.job_picture, job_id, 0).param == "job_id"


@pytest.mark.parametrize("value", ["\ud800", [], CIRCULAR, b"x"])
def test_what_no_query_can_hold(value: Any) -> None:
    service = client()
    assert not_sent(service.jobs, 5, value).param == "after"
    assert not_sent(service.usage, value).param == "since"
    assert not_sent(service.job_picture, "j", value).param == "index"
    assert not_sent(lambda: next(service.scene_events("a", "b", previews=value))).param == "previews"


@pytest.mark.parametrize(
    "file", ["nowhere.png", "", ".", "a\0b", "\ud800.png", "n" * 5_000, None, bytearray(b"x")]
)
def test_a_picture_file_that_cannot_be_read(
    file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    service = client()
    assert not_sent(service.merge, file, b"b").param == "character"
    assert not_sent(service.merge, b"c", file).param == "background"


def test_it_is_caught_as_any_error_of_the_service() -> None:
    assert issubclass(NotSent, Exception) and str(not_sent(Scenewright, "here")).startswith(
        "the service's address"
    )
