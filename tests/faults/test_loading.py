"""Replicas whose model does not load or whose step loop ends, beside healthy replicas."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.drill_row import Row
from tests.support.drilled_service import change, full_strength, replicas, scene
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def fail_to_load(character: Any) -> None:
    """Leave the replica as if its weights had been missing when it started."""
    from deployments.errors import NotReady

    def load() -> None:
        raise NotReady("unet is missing")

    painter = character._engine._painter
    painter.unload()
    painter.load = load
    character._engine.start()


def test_one_replica_of_two_cannot_load_its_model(http: httpx.Client, row: Row) -> None:
    row.promises(
        "one replica of two whose model does not load",
        "it gets no work: 0 failures, and `/readyz` steadily `degraded`; it paints once the cause is gone",
    )
    bad, good = replicas("Character")
    # The first requests reach it before the routers know that it is not ready.
    change(bad, fail_to_load)
    statuses: Counter[int] = Counter()
    with ThreadPoolExecutor(2) as pool:
        for response in pool.map(lambda seed: http.post("/v1/scenes", json=scene(seed=seed)), range(40)):
            statuses[response.status_code] += 1
    assert statuses == {200: 40}
    until(lambda: http.get("/readyz").json()["status"] == "degraded")
    reported = [http.get("/readyz") for _ in range(20)]
    assert {response.status_code for response in reported} == {200}
    reason = "character: 1 of 2 replicas cannot paint: unet is missing"
    assert all(response.json()["reasons"] == [reason] for response in reported)
    assert set(replicas("Character")) == {bad, good}, "a replacement would not load either"
    begun = time.monotonic()
    change(bad, lambda character: vars(character._engine._painter).pop("load"))
    until(lambda: http.get("/readyz").json()["status"] == "ready")
    row.saw(
        f"{statuses[200]} of 40 returned 200, 20 of 20 times `degraded`;"
        f" ready {time.monotonic() - begun:.0f} s after the cause was gone"
    )


def test_no_replica_can_load_its_model(http: httpx.Client, row: Row) -> None:
    row.promises(
        "every replica of a kind without its model",
        "`/readyz` 503, steadily, and scenes 503 `not_ready` at once, with the reason; 200 once it is gone",
    )
    for name in replicas("Character"):
        change(name, fail_to_load)
    until(lambda: http.get("/readyz").status_code == 503)
    reported = [http.get("/readyz") for _ in range(20)] + [
        http.post("/v1/scenes", json=scene()) for _ in range(4)
    ]
    assert {response.status_code for response in reported} == {503}
    assert all("unet is missing" in response.json()["error"]["message"] for response in reported)
    for name in replicas("Character"):
        change(name, lambda character: vars(character._engine._painter).pop("load"))
    until(lambda: http.post("/v1/scenes", json=scene()).status_code == 200)
    row.saw("503 24 of 24 times, with the reason; 200 once it was gone")


@pytest.mark.parametrize("fault", ["keywords", "locked", "words", "exit"])
def test_a_model_raises_what_cannot_be_copied_sent_or_printed(
    http: httpx.Client, row: Row, fault: str
) -> None:
    row.promises(
        f"a model that raises {FAULTS[fault]}",
        "502 `generation_failed` for that layer; the replica paints on",
    )

    def spoil(character: Any) -> None:
        import threading

        class Keywords(Exception):
            def __init__(self, *, reason: str) -> None:
                super().__init__(reason)

        class Words(Exception):
            def __str__(self) -> str:
                raise ZeroDivisionError

        error = {
            "keywords": lambda: Keywords(reason="x"),
            "locked": lambda: RuntimeError(threading.Lock()),
            "words": Words,
            "exit": lambda: SystemExit(1),
        }[fault]
        painter = character._engine._painter
        whole = painter.step

        def step(paintings: Any) -> None:
            if any(painting.request.seed == 13 for painting in paintings):
                raise error()
            whole(paintings)

        painter.step = step

    before = replicas("Character")
    for name in before:
        change(name, spoil)
    failed = http.post("/v1/scenes", json=scene(seed=13, fallback="none"))
    assert (failed.status_code, failed.json()["error"]["code"]) == (502, "generation_failed"), failed.text
    whole = [http.post("/v1/scenes", json=scene(seed=seed)).status_code for seed in range(6)]
    assert whole == [200] * 6
    assert replicas("Character") == before
    for name in before:
        change(name, lambda character: vars(character._engine._painter).pop("step"))
    row.saw("502 `generation_failed`, and 6 of 6 after it 200")


FAULTS = {
    "keywords": "an exception that cannot be copied",
    "locked": "an exception that cannot be sent to another process",
    "words": "an exception that cannot be printed",
    "exit": "SystemExit",
}


def test_a_step_loop_ends(http: httpx.Client, row: Row) -> None:
    row.promises(
        "a step loop that ends",
        "its layers are painted by another replica: 200; the replica is unhealthy, and replaced",
    )

    def end(character: Any) -> None:
        def rest() -> bool:
            raise SystemExit(1)

        character._engine._job_table.rest = rest

    victim = replicas("Character")[0]
    change(victim, end)
    begun = time.monotonic()
    statuses = [http.post("/v1/scenes", json=scene(seed=seed)).status_code for seed in range(12)]
    assert statuses == [200] * 12
    until(lambda: victim not in replicas("Character"))
    replaced_s = time.monotonic() - begun
    until(full_strength)
    row.saw(f"12 of 12 returned 200; replaced after {replaced_s:.0f} s")
