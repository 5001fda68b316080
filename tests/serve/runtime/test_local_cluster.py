from __future__ import annotations

import socket

import pytest

from serve.config.serve_file import SHIPPED_FOLDER, load
from serve.config.service_config import ServiceConfig
from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port
from serve.runtime.one_machine import on_one_node
from serve.runtime.start_errors import CannotStart


def test_on_one_machine_no_replica_waits_for_a_label() -> None:
    config = load(SHIPPED_FOLDER / "gpu.yaml").config
    assert config.character.replicas.labels
    local = on_one_node(config)
    everyone = (local.character.replicas, local.background.replicas, local.merger, local.ingress)
    assert all(options.labels == {} for options in everyone)
    assert local.character.generator == config.character.generator
    assert local.background.replicas.num_gpus == 1


@pytest.mark.parametrize(
    ("host", "requested"),
    [
        ("127.0.0.1", "off"),
        ("127.0.0.2", "off"),
        ("::1", "off"),
        ("0.0.0.0", "required"),  # noqa: S104 (nothing listens)
        ("::", "required"),
        ("192.0.2.5", "required"),
        ("::ffff:192.0.2.5", "required"),
    ],
)
def test_only_a_service_on_loopback_alone_requires_no_key(host: str, requested: str) -> None:
    assert local_cluster.authentication_at(host) == requested


def test_a_machine_that_is_too_busy_for_ray_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(**options: object) -> None:
        raise Exception("The current node timed out during startup. This could happen because …")

    monkeypatch.setattr(local_cluster.ray, "init", late)
    with (
        pytest.raises(CannotStart, match="too busy"),
        local_cluster.running(ServiceConfig(), "127.0.0.1", free_port()),
    ):
        pass


def test_metrics_need_a_port_of_their_own() -> None:
    port = free_port()
    with (
        pytest.raises(CannotStart, match=f"--port and --metrics-port are both {port}"),
        local_cluster.running(ServiceConfig(), "127.0.0.1", port, metrics_port=port),
    ):
        pass


def test_a_metrics_port_that_is_taken_is_refused_by_its_own_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(CannotStart, match=f":{port}: .* choose another with --metrics-port"),
            local_cluster.running(ServiceConfig(), "127.0.0.1", free_port(), metrics_port=port),
        ):
            pass
