"""Changes to the service while it serves."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from ray import serve

from serve.app import build
from serve.config.service_config import ServiceConfig
from tests.support.drill_row import Row
from tests.support.drilled_service import REPLICAS, full_strength, scene
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def served_during(http: httpx.Client, change: Callable[[], object]) -> Counter[int]:
    """Send scenes one after the other until `change` has happened; return their statuses."""
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def trickle() -> None:
        while not over.is_set():
            statuses[http.post("/v1/scenes", json=scene()).status_code] += 1

    caller = threading.Thread(target=trickle)
    caller.start()
    try:
        change()
    finally:
        over.set()
        caller.join()
    return statuses


def deploy(drilled: ServiceConfig, replicas: int, step_s: float) -> None:
    data = drilled.model_dump()
    for kind in ("character", "background"):
        data[kind]["generator"]["simulated"]["step_s"] = step_s
        data[kind]["replicas"]["num_replicas"] = replicas
    data["merger"]["num_replicas"] = data["ingress"]["num_replicas"] = replicas
    serve.run(build(ServiceConfig.model_validate(data)), name="scenewright", route_prefix="/")
    until(lambda: full_strength(REPLICAS | {name: replicas for name, count in REPLICAS.items() if count > 1}))


@pytest.mark.parametrize(
    ("change", "replicas", "step_s"),
    [("rolling upgrade of every replica", 2, 0.051), ("downscale from two replicas to one", 1, 0.051)],
)
def test_no_caller_notices(
    http: httpx.Client, drilled: ServiceConfig, row: Row, change: str, replicas: int, step_s: float
) -> None:
    row.promises(change, "0 failures")
    statuses = served_during(http, lambda: deploy(drilled, replicas, step_s))
    if replicas == 1:
        deploy(drilled, 2, step_s)
    assert set(statuses) == {200}
    row.saw(f"{statuses[200]} of {statuses.total()} returned 200")
