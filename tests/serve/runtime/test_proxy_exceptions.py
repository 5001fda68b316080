"""Calls between replicas bypass the user's HTTP proxy."""

from __future__ import annotations

import os

import grpc
import pytest
from ray._private.grpc_utils import init_grpc_channel

from serve.runtime import private_ray, proxy_exceptions
from serve.runtime.listen_address import free_port


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"no_grpc_proxy": "a.example", "no_proxy": "b.example"}, "a.example,127.0.0.1,localhost"),
        ({"no_grpc_proxy": "", "no_proxy": "b.example"}, "127.0.0.1,localhost"),
        ({"no_proxy": "b.example, c", "NO_PROXY": "c,.d"}, "b.example,c,.d,127.0.0.1,localhost"),
        ({"NO_PROXY": "localhost,10.0.0.0/8"}, "localhost,10.0.0.0/8,127.0.0.1"),
    ],
)
def test_own_addresses_are_added_to_the_users_exceptions(environment: dict[str, str], expected: str) -> None:
    setting = proxy_exceptions.for_grpc(environment)
    assert setting == {"no_grpc_proxy": expected}
    assert proxy_exceptions.for_grpc(environment | setting) == setting, "they are added only once"


def test_ray_s_processes_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(proxy_exceptions.NAME, raising=False)
    with private_ray.environment({"other": "setting"}):
        assert os.environ[proxy_exceptions.NAME].endswith("127.0.0.1,localhost")
    assert proxy_exceptions.NAME not in os.environ


@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "grpc_proxy"])
async def test_a_replica_is_called_past_a_proxy_that_is_gone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Call over Ray's own channel, as replicas call each other."""

    async def echo(request: bytes, context: object) -> bytes:
        return request

    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server = grpc.aio.server(handlers=[grpc.method_handlers_generic_handler("Test", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    try:
        with private_ray.environment({}):
            async with init_grpc_channel(f"127.0.0.1:{port}", asynchronous=True) as channel:
                assert await channel.unary_unary("/Test/Echo")(b"called") == b"called"
    finally:
        await server.stop(None)
