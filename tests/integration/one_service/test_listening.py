"""A service for this machine alone: no open port runs calls of other machines."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import psutil
import pytest
from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled
from ray.serve.generated.serve_pb2 import ASGIRequest

from serve.config.host_names import is_loopback
from tests.support.polling import until

METHOD = "/ray.serve.ASGIService/HandleRequest"
"""A method of the port that Ray Serve opens on every interface per replica. It unpickles what it gets."""


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def open_ports() -> Iterator[int]:
    """Yield the ports of all processes of the service that other machines can reach."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            for socket in process.net_connections("inet"):
                address = socket.laddr.ip.removeprefix("::ffff:")
                if socket.status == psutil.CONN_LISTEN and not is_loopback(address):
                    yield socket.laddr.port


def call(port: int, path: Path, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
    body = ASGIRequest(pickled_request_metadata=pickle.dumps(Touch(path))).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary(METHOD)(body, timeout=30, metadata=metadata)
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@pytest.mark.usefixtures("url")
def test_a_replicas_open_port_runs_nothing_for_a_stranger(tmp_path: Path) -> None:
    """Ray's tokens are required although the environment turns them off (ENVIRONMENT in conftest.py)."""
    assert until(lambda: len(set(open_ports())) >= 5), "one per replica"
    for port in set(open_ports()):
        stranger = tmp_path / f"stranger-{port}"
        assert call(port, stranger, []) is grpc.StatusCode.UNAUTHENTICATED
        assert call(port, stranger, [("authorization", "Bearer 0")]) is grpc.StatusCode.UNAUTHENTICATED
        assert not stranger.exists()
        ours = [(name.lower(), value) for name, value in get_auth_headers_if_auth_enabled({}).items()]
        friend = tmp_path / f"friend-{port}"
        call(port, friend, ours)
        assert friend.exists(), "the same call works with a token"
