"""Ray Serve's own routes answer to the same host names as the rest of the service, and to addresses."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some
from starlette.responses import PlainTextResponse

from serve.config.host_names import host_of
from serve.config.service_config import ServiceConfig
from serve.http.checked_hosts import VARIABLE, are_allowed, checked_hosts, pattern_of, setting_for
from serve.http.serve_routes import ROUTES, CheckedHosts
from serve.ingress import Ingress
from tests.support.local_service import captured


async def requested(path: str, *hosts: str, root_path: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(CheckedHosts(PlainTextResponse("success")), root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get(path, headers=[("host", host) for host in hosts])


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8000",
        "[::1]",
        "10.1.2.3:8000",
        "[fd00::7]:8000",
        "localhost",
        "localhost:",
        "paint.example",
    ],
)
async def test_a_probe_by_address_and_the_allowed_names_are_answered(
    monkeypatch: pytest.MonkeyPatch, path: str, host: str
) -> None:
    monkeypatch.setenv(VARIABLE, "paint.example")
    assert (await requested(path, host)).text == "success"


@pytest.mark.parametrize("path", [*ROUTES, "/-/ROUTES"])
@pytest.mark.parametrize(
    "hosts",
    [
        ("page.example",),
        ("127.0.0.1.page.example",),
        ("localhost", "page.example"),
        ("user@localhost",),
        ("",),
    ],
    ids=str,
)
async def test_another_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, path: str, hosts: tuple[str, ...]
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    response = await requested(path, *hosts)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_host", "host")
    assert error["request_id"] == response.headers["x-request-id"] != ""


async def test_under_a_root_path_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert (await requested("/paint/-/routes", "page.example", root_path="/paint")).status_code == 400


async def test_the_application_s_routes_are_its_own_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert (await requested("/healthz", "page.example")).status_code == 200


async def test_a_cluster_that_says_nothing_is_reached_by_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert (await requested("/-/healthz", "scenewright-serve-svc:8000")).status_code == 200


@pytest.mark.parametrize(
    ("allowed", "requests", "hosts"),
    [
        ((), False, ()),
        (("a.example",), False, ("a.example",)),
        (("a.example", "*.b"), True, ("a.example", "*.b")),
        ((), True, None),
        (("*",), False, None),
        (("a.example", "*"), True, None),
    ],
)
def test_it_checks_where_the_rest_does(
    allowed: tuple[str, ...], requests: bool, hosts: tuple[str, ...] | None
) -> None:
    assert checked_hosts(setting_for(allowed, requests)) == hosts


@pytest.mark.parametrize(
    ("settings", "variable", "warns"),
    [
        ({"authentication": "off"}, None, True),
        ({"authentication": "off"}, "", False),
        ({"authentication": "required", "allowed_hosts": ["a.example"]}, None, True),
        ({"authentication": "required"}, None, False),
        ({"authentication": "off", "allowed_hosts": ["*"]}, None, False),
    ],
)
def test_the_edge_says_where_nobody_checks(
    settings: dict[str, Any],
    variable: str | None,
    warns: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)
    nobody: Any = None
    with captured(caplog):
        Ingress(
            ServiceConfig.model_validate({"state_dir": str(tmp_path), **settings}),
            nobody,
            nobody,
            nobody,
            nobody,
        )
    assert ("accept any Host here" in caplog.text) is warns


HOSTS = some.sampled_from(["a", "example", "localhost", "paint", "b-c", "127", "0", "lan", ""])


@given(some.lists(HOSTS, min_size=1, max_size=4), some.sampled_from(["", ".", "x"]))
def test_haproxy_reads_the_same_names(parts: list[str], end: str) -> None:
    allowed = ("paint.example", "*.lan", "b-c")
    host = host_of(written := ".".join(parts) + end)
    if host is None or re.fullmatch(r"[0-9.]+", written) or ".." in written:
        return  # Not names that can be registered: 127.1, which HAProxy lets pass, or with an empty part.
    assert bool(re.match(pattern_of(allowed), written)) == are_allowed(host, allowed)
