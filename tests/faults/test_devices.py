"""Devices that hang, run out of memory, or paint garbage. The faults are put into running replicas."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from deployments.errors import OutOfMemory
from tests.support.drill_row import Row
from tests.support.drilled_service import (
    WEDGED_AFTER_S,
    at_work,
    change,
    full_strength,
    painting,
    replicas,
    requested,
    scene,
)
from tests.support.polling import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def damage(http: httpx.Client) -> Iterator[Callable[[Callable[[Any], Any]], None]]:
    """Yield a function that changes the painters of all Character replicas; undo it after the test."""
    damaged: list[str] = []

    def every(act: Callable[[Any], Any]) -> None:
        damaged.extend(replicas("Character"))
        for name in damaged:
            change(name, lambda character: act(character._engine._painter))

    yield every
    for name in set(damaged) & set(replicas("Character")):
        # The damage hides the class's methods; without it they work again.
        change(
            name, lambda character: [vars(character._engine._painter).pop(m, 0) for m in ("step", "decode")]
        )


def test_a_step_never_ends(http: httpx.Client, row: Row) -> None:
    row.promises(
        f"a step that never ends (wedged after {WEDGED_AFTER_S:g} s here)",
        "the replica is replaced, the layer painted by another inside the deadline: 200, the same picture",
    )

    def wedge(character: Any) -> None:
        character._engine._painter.step = lambda paintings: time.sleep(600)

    undisturbed = http.post("/v1/scenes", json=scene(steps=40))
    with ThreadPoolExecutor(1) as pool:
        response = requested(http, pool, steps=40)
        victim = until(lambda: at_work("Character"))
        change(victim, wedge)
        begun = time.monotonic()
        until(lambda: victim not in replicas("Character"))
        found_s = time.monotonic() - begun
        painted = response.result()
        took_s = time.monotonic() - begun
    assert painted.status_code == 200, painted.text
    assert painted.content == undisturbed.content
    until(full_strength)
    row.saw(f"ended after {found_s:.1f} s, 200 after {took_s:.1f} s, the same picture")


def test_a_device_becomes_slow(http: httpx.Client, row: Row, damage: Callable[..., None]) -> None:
    row.promises(
        "steps five times as slow as they were", "504 when the deadline passes, and the painting stops"
    )

    def tire(painter: Any) -> None:
        whole = painter.step

        def step(paintings: Any) -> None:
            time.sleep(0.2)
            whole(paintings)

        painter.step = step

    damage(tire)
    begun = time.monotonic()
    response = http.post("/v1/scenes", json=scene(steps=30, deadline_s=3.0))
    took_s = time.monotonic() - begun
    assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_exceeded")
    until(lambda: painting() == 0)
    row.saw(f"504 after {took_s:.1f} s of a deadline of 3 s")


def test_no_room_for_so_many(http: httpx.Client, row: Row, damage: Callable[..., None]) -> None:
    row.promises("no memory for several pictures at once", "they are painted in smaller batches: 200 for all")

    def crowded(painter: Any) -> None:
        whole = painter.step

        def step(paintings: Any) -> None:
            if len(paintings) > 1:
                raise OutOfMemory("the device ran out of memory painting this picture")
            whole(paintings)

        painter.step = step

    undisturbed = [http.post("/v1/scenes", json=scene(10, seed=seed)).content for seed in range(4)]
    damage(crowded)
    with ThreadPoolExecutor(4) as pool:
        responses = [
            each.result() for each in [requested(http, pool, steps=10, seed=seed) for seed in range(4)]
        ]
    assert [response.status_code for response in responses] == [200] * 4
    assert [response.content for response in responses] == undisturbed
    assert not any("x-degraded" in response.headers for response in responses)
    row.saw("4 of 4 as with room, byte for byte")


def test_no_room_for_one(http: httpx.Client, row: Row, damage: Callable[..., None]) -> None:
    row.promises(
        "no memory even for one picture",
        "reduced and declared, or 503 `out_of_memory` with Retry-After; twice in a minute, and the replica is"
        " replaced",
    )

    def small(painter: Any) -> None:
        whole = painter.step

        def step(paintings: Any) -> None:
            if any(painting.request.height_px == 512 for painting in paintings):
                raise OutOfMemory("the device ran out of memory painting this picture")
            whole(paintings)

        painter.step = step

    before = set(replicas("Character"))
    damage(small)
    reduced = http.post("/v1/scenes", json=scene(fallback="reduce"))
    assert reduced.status_code == 200, reduced.text
    assert reduced.headers["x-degraded"] == "character: reduced"
    refused = http.post("/v1/scenes", json=scene(fallback="none", seed=1))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "out_of_memory")
    assert int(refused.headers["retry-after"]) >= 1
    begun = time.monotonic()

    def healed() -> bool:
        return http.post("/v1/scenes", json=scene(fallback="none")).status_code == 200

    until(healed)
    assert set(replicas("Character")) - before
    row.saw(f"200 `character: reduced`; 503; painted by a new replica {time.monotonic() - begun:.1f} s later")


@pytest.mark.parametrize(("what", "shade"), [("black", 0), ("flat", 128)])
def test_pictures_that_are_none(
    http: httpx.Client, row: Row, damage: Callable[..., None], what: str, shade: int
) -> None:
    row.promises(
        f"a model that paints {what} pictures",
        "tried again, then 502 `generation_failed`, or a declared placeholder; never a silent 200",
    )

    def spoil(painter: Any) -> None:
        painter.decode = lambda paintings: [np.full((512, 384, 3), shade, np.uint8) for _ in paintings]

    damage(spoil)
    failed = http.post("/v1/scenes", json=scene(fallback="reduce"))
    assert (failed.status_code, failed.json()["error"]["code"]) == (502, "generation_failed")
    ref = http.post("/v1/scenes", json=scene(fallback="placeholder"))
    assert (ref.status_code, ref.headers["x-degraded"]) == (200, "character: placeholder")
    row.saw("502 `generation_failed`; 200 `character: placeholder`")


def test_one_bad_picture(http: httpx.Client, row: Row, damage: Callable[..., None]) -> None:
    row.promises("a picture that comes out black once", "painted again from a derived seed, declared: 200")

    def spoil(painter: Any) -> None:
        whole = painter.decode

        def decode(paintings: Any) -> Any:
            spoilt = [painting.request.seed == 42 for painting in paintings]
            pictures = whole(paintings)
            return [picture * (not bad) for picture, bad in zip(pictures, spoilt, strict=True)]

        painter.decode = decode

    damage(spoil)
    response = http.post("/v1/scenes", json=scene())
    assert (response.status_code, response.headers["x-degraded"]) == (200, "character: reseeded")
    assert response.headers["x-seed"] == "character=1000045; background=42"
    row.saw("200 `character: reseeded`, with the seed that was used")
