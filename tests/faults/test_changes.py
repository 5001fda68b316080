"""Changes to the service while it serves."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from ray import serve

from serve.app import build

from .conftest import Row, drilled_config, full_strength, scene, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def served_during(http: httpx.Client, change: Callable[[], object]) -> Counter[int]:
    """The statuses of a steady trickle of scenes while `change` happens, and a few after it."""
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


def deploy(replicas: int, step_s: float) -> None:
    data = drilled_config(replicas).model_dump()
    for kind in ("character", "background"):
        data[kind]["generator"]["simulated"]["step_s"] = step_s
    config = type(drilled_config()).model_validate(data)
    serve.run(build(config), name="scenewright", route_prefix="/")
    until(lambda: full_strength(replicas))


@pytest.mark.parametrize(
    ("change", "replicas", "step_s"),
    [("rolling upgrade of every replica", 2, 0.051), ("downscale from two replicas to one", 1, 0.051)],
)
def test_no_caller_notices(http: httpx.Client, row: Row, change: str, replicas: int, step_s: float) -> None:
    row.promises(change, "0 failures")
    statuses = served_during(http, lambda: deploy(replicas, step_s))
    if replicas == 1:
        deploy(2, step_s)
    assert set(statuses) == {200}
    row.saw(f"{statuses[200]} of {statuses.total()} answered 200")
