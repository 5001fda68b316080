from __future__ import annotations

import pytest

from serve.app import build
from serve.config.service_config import ServiceConfig
from serve.http.request_slots import fitted, slots_of, within
from tests.support.built import deployments_of
from tests.support.local_service import SIMULATED


def test_serve_has_slots_for_requests_and_streams_and_health() -> None:
    config = ServiceConfig.model_validate(SIMULATED)
    edge = deployments_of(build(config))["Ingress"]
    assert edge.max_ongoing_requests == slots_of(config) == 200 + 256 + 32
    assert edge.max_queued_requests == 1_024


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 5, 8, 50, 200, 487])
def test_fewer_slots_leave_some_to_health(slots: int) -> None:
    config = within(ServiceConfig(), slots)
    requests, streams = config.ingress.max_ongoing_requests, config.limits.max_streams
    assert min(requests, streams) >= 1
    if slots > 2:
        assert requests + streams < slots


def test_enough_slots_are_divided_as_configured() -> None:
    config = ServiceConfig()
    assert within(config, slots_of(config)) is config
    assert within(config, 10_000) is config
    assert fitted(config) is config, "outside a replica nothing changes"
