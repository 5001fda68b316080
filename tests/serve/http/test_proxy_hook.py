"""The hook that applies our limits to Ray Serve's listening processes, and how it fails."""

from __future__ import annotations

import pytest
import uvicorn
from uvicorn import config as uvicorn_config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from serve.http import proxy_hook
from serve.http.bounded_protocol import BoundedProtocol
from serve.http.plain_headers import PlainHeaders
from serve.http.serve_answers import DocumentedErrors
from serve.http.serve_routes import CheckedHosts
from tests.support.wire import Echo


@pytest.fixture(autouse=True)
def _leave_uvicorn_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn_config, "HTTP_PROTOCOLS", dict(uvicorn_config.HTTP_PROTOCOLS))
    monkeypatch.setattr(Server, "startup", Server.startup)
    monkeypatch.setattr(BoundedProtocol, "table", BoundedProtocol.table)


def test_it_makes_ours_the_protocol_that_uvicorn_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEWRIGHT_MAX_CONNECTIONS", "77")
    assert [middleware.cls for middleware in proxy_hook.install()] == [
        DocumentedErrors,
        CheckedHosts,
        PlainHeaders,
    ]
    config = uvicorn.Config(Echo())
    config.load()
    assert config.http_protocol_class is BoundedProtocol
    assert BoundedProtocol.table.limits.connections == 77


def test_behind_haproxy_no_address_is_counted() -> None:
    environment = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "SCENEWRIGHT_MAX_CONNECTIONS_PER_ADDRESS": "5"}
    assert proxy_hook.limits_here(environment).connections_per_address == 0


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=serve.http.proxy_hook:install"),
        (proxy_hook.HOOK, None),
        (
            {**proxy_hook.HOOK, "RAY_SERVE_ENABLE_HA_PROXY": "1"},
            "RAY_SERVE_HAPROXY_BINARY_PATH=scenewright-haproxy",
        ),
        (
            {
                **proxy_hook.HOOK,
                "RAY_SERVE_ENABLE_HA_PROXY": "1",
                "RAY_SERVE_HAPROXY_BINARY_PATH": "/usr/bin/scenewright-haproxy",
            },
            None,
        ),
    ],
)
def test_a_ray_that_bounds_nobody_is_known_by_its_environment(
    environment: dict[str, str], missing: str | None
) -> None:
    assert proxy_hook.missing_setting(environment) == missing


@pytest.mark.parametrize("name", proxy_hook.NEEDED)
def test_another_uvicorn_is_no_start(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(HttpToolsProtocol, name)
    with pytest.raises(RuntimeError, match=name):
        proxy_hook.install()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCENEWRIGHT_MAX_CONNECTIONS", "many"),
        ("SCENEWRIGHT_MAX_CONNECTIONS", "0"),
        ("SCENEWRIGHT_MAX_CONNECTIONS_PER_ADDRESS", "-1"),
        ("SCENEWRIGHT_MAX_HEADER_BYTES", "70000"),
        ("SCENEWRIGHT_HEADER_TIMEOUT_S", "nan"),
        ("SCENEWRIGHT_HEADER_TIMEOUT_S", "inf"),
        ("SCENEWRIGHT_TRUSTED_PROXIES", "10.0.0.0/33"),
    ],
)
def test_a_wrong_setting_is_no_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError, match=f"{name} must be"):
        proxy_hook.install()


def test_more_connections_than_files_is_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (1_024, 4_096))
    monkeypatch.setenv("SCENEWRIGHT_MAX_CONNECTIONS", "5000")
    with pytest.raises(RuntimeError, match="4096"):
        proxy_hook.install()
