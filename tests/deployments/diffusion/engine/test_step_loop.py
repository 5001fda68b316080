"""Test that a fault affects only the request that causes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.engine.retry_policy import SEED_STRIDE
from deployments.diffusion.engine.watchdog import Unhealthy
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import Painting, PaintRequest
from deployments.diffusion.start_picture import StartPicture
from deployments.errors import GenerationFailed, OutOfMemory
from deployments.imaging.quality import flaw
from deployments.messages import LayerJob, LayerResult, Pixels, Recipe
from tests.support.fake_painter import FakePainter

MakeJob = Callable[..., LayerJob]
FULL = OutOfMemory("no room")


def noise(painting: Painting) -> Pixels:
    shape = (painting.request.height_px, painting.request.width_px, 3)
    return np.random.default_rng(painting.request.seed).integers(0, 256, shape, np.uint8)


def engine_of(painter: Any, make_room: Callable[[], bool] = lambda: False) -> Engine:
    engine = Engine(
        painter,
        flaw,
        lambda job: np.full((job.height_px, job.width_px, 3), 99, np.uint8),
        GenerationConfig(),
        make_room=make_room,
    )
    engine.start()
    decode = painter.decode

    def with_noise(paintings: Sequence[Painting]) -> list[Pixels]:
        flat = decode(paintings)
        return [
            picture if picture[0, 0, 0] == 0 else noise(each)
            for picture, each in zip(flat, paintings, strict=True)
        ]

    painter.decode = with_noise
    return engine


async def paint(engine: Engine, *jobs: LayerJob) -> list[Any]:
    """Paint jobs together, each with its seed as the prompt; return results or exceptions."""

    async def one(job: LayerJob) -> LayerResult:
        async for event in engine.submit(job, str(job.seed), ""):
            if isinstance(event, LayerResult):
                return event
        raise AssertionError("no result")

    return await asyncio.gather(*map(one, jobs), return_exceptions=True)


def failed_by(reported: Any, kind: type[BaseException]) -> bool:
    """Return whether the caller got our own message, caused by an exception of this kind."""
    return (
        type(reported) is GenerationFailed
        and str(reported) == "the model failed while painting this layer; see the replica's log"
        and isinstance(reported.__cause__, kind)
    )


def poison(seed: int, error: BaseException) -> Callable[[Sequence[Painting]], None]:
    def check(paintings: Sequence[Painting]) -> None:
        if any(painting.request.seed == seed for painting in paintings):
            raise error

    return check


async def test_a_crowd_without_room_is_split_and_nothing_is_lost(
    make_job: MakeJob, fake_painter: Any, caplog: pytest.LogCaptureFixture
) -> None:
    engine = engine_of(fake_painter)

    def room_for_two(paintings: Sequence[Painting]) -> None:
        if len(paintings) > 2:
            raise FULL

    fake_painter.before = room_for_two
    results = await paint(engine, *(make_job(seed=seed) for seed in range(1, 9)))
    assert [(result.seed, result.degraded) for result in results] == [(seed, ()) for seed in range(1, 9)]
    assert max(len(forward) for forward in fake_painter.forwards) == 2
    assert len(fake_painter.begun) == 8, "none was restarted"
    assert 1 <= fake_painter.frees <= 4, "the row limit that was found is remembered"
    engine.check_health()


async def test_alone_without_room_it_is_reduced_and_its_peers_are_not(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter)

    def no_large(paintings: Sequence[Painting]) -> None:
        if any(painting.request.width_px > 256 for painting in paintings):
            raise FULL

    fake_painter.before = no_large
    small, large = await paint(
        engine, make_job(seed=1), make_job(seed=2, width_px=320, height_px=320, num_inference_steps=25)
    )
    assert (small.degraded, large.degraded) == ((), ("reduced",))
    assert large.pixels.shape == (224, 224, 3)
    assert fake_painter.begun[-1].num_inference_steps == 15
    assert large.recipe == Recipe("2", "", 15, 6.0), "what was painted, not what was requested"
    engine.check_health()


@pytest.mark.parametrize("place", ["begin", "step", "decode"])
async def test_what_no_picture_needs_is_dropped_before_anything_is_reduced(
    make_job: MakeJob, fake_painter: Any, place: str
) -> None:
    loras, working = ["an unused one"], getattr(fake_painter, place)

    def drop() -> bool:
        return bool(loras) and loras.pop() != ""

    engine = engine_of(fake_painter, drop)
    working = getattr(fake_painter, place)

    def without_room(given: Any) -> Any:
        if loras:
            raise FULL
        return working(given)

    setattr(fake_painter, place, without_room)
    frees = fake_painter.frees
    (result,) = await paint(engine, make_job(seed=1, fallback="none"))
    assert isinstance(result, LayerResult) and result.degraded == () and not loras
    assert fake_painter.frees == frees, "exact mode does not halve a forward that fits"
    engine.check_health()


async def test_where_there_is_nothing_more_to_drop_it_ends_all_the_same(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter, lambda: True)  # Other users of the memory come and go all the time.

    def full(paintings: Sequence[Painting]) -> None:
        raise FULL

    fake_painter.before = full
    (failed,) = await paint(engine, make_job(seed=1, fallback="none"))
    assert isinstance(failed, OutOfMemory)


async def test_the_recipe_names_what_a_picture_started_from(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    start = StartPicture(name="1f" * 32, strength=0.6, mask_name="2e" * 32)
    job = make_job(seed=1)
    *_, result = [event async for event in engine.submit(job, "1", "", start)]
    assert isinstance(result, LayerResult) and result.recipe is not None
    recipe = result.recipe
    assert (recipe.image, recipe.strength, recipe.mask) == (start.name, 0.6, start.mask_name)
    (plain,) = await paint(engine, make_job(seed=2))
    assert (plain.recipe.image, plain.recipe.mask) == (None, None)


async def test_two_pictures_without_room_in_a_minute_make_it_unhealthy(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter)
    fake_painter.before = poison(2, FULL)
    for _ in range(2):
        engine.check_health()
        [error] = await paint(engine, make_job(seed=2, fallback="none"))
        assert isinstance(error, OutOfMemory) and str(error) == "no room"
    with pytest.raises(Unhealthy, match="out of memory"):
        engine.check_health()


@pytest.mark.parametrize("culprit", [1, 4, 8])
async def test_a_fault_in_a_crowd_is_traced_to_the_one_that_causes_it(
    make_job: MakeJob, fake_painter: Any, culprit: int
) -> None:
    engine = engine_of(fake_painter)
    fake_painter.before = poison(culprit, RuntimeError("a poisoned prompt"))
    results = await paint(engine, *(make_job(seed=seed) for seed in range(1, 9)))
    for seed, result in enumerate(results, 1):
        if seed == culprit:
            assert failed_by(result, RuntimeError)
        else:
            assert (result.seed, result.degraded) == (seed, ())
    for seed in set(range(1, 9)) - {culprit}:
        taken = [step for forward in fake_painter.forwards for name, step in forward if name == str(seed)]
        assert taken == [1, 2, 3, 4], "no step was repeated or skipped"


async def test_a_fault_in_a_pictures_own_part_of_a_step_is_its_own(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter)

    def mark(paintings: Sequence[Painting]) -> None:
        for painting in paintings:
            if painting.request.seed == 1:
                painting.fault = RuntimeError("its solver")

    fake_painter.before = mark
    first, second = await paint(engine, make_job(seed=1), make_job(seed=2))
    assert failed_by(first, RuntimeError)
    assert second.seed == 2


@pytest.mark.parametrize("error", [FULL, RuntimeError("decoder")])
async def test_pictures_that_cannot_be_decoded_together_are_decoded_alone(
    make_job: MakeJob, fake_painter: Any, error: Exception
) -> None:
    engine = engine_of(fake_painter)

    def alone(paintings: Sequence[Painting]) -> None:
        if len(paintings) > 1:
            raise error

    fake_painter.on_decode = alone
    results = await paint(engine, make_job(seed=1), make_job(seed=2))
    assert [result.degraded for result in results] == [(), ()]


async def test_a_picture_that_cannot_be_decoded_fails_alone(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    fake_painter.on_decode = poison(1, RuntimeError("decoder"))
    first, second = await paint(engine, make_job(seed=1), make_job(seed=2))
    assert failed_by(first, RuntimeError)
    assert second.seed == 2


async def test_a_flawed_picture_is_painted_again_from_another_seed(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter)
    fake_painter.shade = lambda request: 0 if request.seed == 42 else 1
    [result] = await paint(engine, make_job())
    assert (result.seed, result.degraded) == (42 + SEED_STRIDE, ("reseeded",))
    assert not (await paint(engine, make_job()))[0].cached, "only undegraded results are cached"


async def test_after_three_flawed_pictures_it_fails(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    fake_painter.shade = lambda request: 0
    [error] = await paint(engine, make_job())
    assert isinstance(error, GenerationFailed)
    assert "the last one was too dark" in str(error)
    assert error.param == "character"
    assert len(fake_painter.begun) == 3


async def result_from(engine: Engine, job: LayerJob, start: StartPicture) -> LayerResult:
    *_, result = [event async for event in engine.submit(job, "1", "", start)]
    assert isinstance(result, LayerResult)
    return result


@pytest.mark.parametrize("masked", [False, True])
async def test_a_dark_picture_may_be_painted_from_a_dark_one(
    make_job: MakeJob, fake_painter: Any, masked: bool
) -> None:
    engine = engine_of(fake_painter)
    fake_painter.shade = lambda request: 0
    night = np.full((96, 64, 3), 4, np.uint8)
    mask = np.zeros((96, 64), np.bool_) if masked else None
    start = StartPicture(
        name="1f" * 32, strength=0.6, mask_name="2e" * 32 if masked else None, pixels=night, mask=mask
    )
    result = await result_from(engine, make_job(), start)
    assert (result.seed, result.degraded, len(fake_painter.begun)) == (42, (), 1)
    assert (result.pixels == (4 if masked else 0)).all()


@pytest.mark.parametrize("shade", [128, 255])
async def test_a_dark_picture_from_another_is_a_flaw(
    make_job: MakeJob, fake_painter: Any, shade: int
) -> None:
    engine = engine_of(fake_painter)
    fake_painter.shade = lambda request: 0
    pixels = np.full((96, 64, 3), shade, np.uint8)
    start = StartPicture(name="1f" * 32, strength=0.6, pixels=pixels)
    with pytest.raises(GenerationFailed, match="too dark"):
        await result_from(engine, make_job(), start)
    assert len(fake_painter.begun) == 3


@pytest.mark.parametrize("fault", ["flaw", "room"])
async def test_the_last_resort_is_a_placeholder_of_the_requested_size(
    make_job: MakeJob, fake_painter: Any, fault: str
) -> None:
    engine = engine_of(fake_painter)
    if fault == "flaw":
        fake_painter.shade = lambda request: 0
    else:
        fake_painter.before = poison(42, FULL)
    [result] = await paint(engine, make_job(fallback="placeholder"))
    assert (result.degraded, result.seed, result.recipe) == (("placeholder",), 42, None)
    assert result.pixels.shape == (96, 64, 3)
    assert (result.pixels == 99).all()


async def test_no_room_to_begin_is_no_room(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    begin = fake_painter.begin

    def full(request: Any) -> Painting:
        if request.width_px > 64:
            raise FULL
        painting: Painting = begin(request)
        return painting

    fake_painter.begin = full
    first, second = await paint(engine, make_job(seed=1, width_px=72), make_job(seed=2))
    assert (first.degraded, second.degraded) == (("reduced",), ())


async def test_a_picture_that_cannot_begin_fails_alone(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    begin = fake_painter.begin

    def broken(request: Any) -> Painting:
        if request.seed == 1:
            raise ValueError("its words")
        painting: Painting = begin(request)
        return painting

    fake_painter.begin = broken
    first, second = await paint(engine, make_job(seed=1), make_job(seed=2))
    assert failed_by(first, ValueError)
    assert second.seed == 2


@dataclass(eq=False)
class ClosedPainting(Painting):
    """Count how often it is closed."""

    closed: int = 0
    harmless: bool = False

    def close(self) -> None:
        self.closed += 1
        if not self.harmless:
            raise ValueError("it must disturb nobody")


def test_the_warm_up_picture_is_closed_whether_it_is_painted_or_not(fake_painter: FakePainter) -> None:
    begun: list[ClosedPainting] = []

    def begin(request: PaintRequest) -> Painting:
        begun.append(ClosedPainting(request, request.num_inference_steps, guided=False, harmless=True))
        return begun[-1]

    fake_painter.begin = begin  # type: ignore[method-assign]
    engine = engine_of(fake_painter)
    assert engine.readiness().ready
    fake_painter.decode = None  # type: ignore[assignment,method-assign]
    engine._thread.submit(engine._model.start).result()
    assert not engine.readiness().ready
    assert [painting.closed for painting in begun] == [1, 1]


async def test_whatever_becomes_of_a_picture_it_is_closed_once(
    gated_painter: FakePainter, make_job: MakeJob
) -> None:
    """Seed 1 is painted, 2 fails in its first step, 3 runs out of memory and is retried, 4 is cancelled."""
    painter = gated_painter
    engine = engine_of(painter)
    begun: dict[int, list[ClosedPainting]] = {}

    def begin(request: PaintRequest) -> Painting:
        painting = ClosedPainting(request, request.num_inference_steps, guided=False)
        begun.setdefault(request.seed, []).append(painting)
        return painting

    def before(paintings: Sequence[Painting]) -> None:
        seeds = [painting.request.seed for painting in paintings]
        if 2 in seeds:
            raise ValueError("the second")
        if seeds == [3] and len(begun[3]) == 1:
            raise FULL

    painter.begin = begin  # type: ignore[method-assign]
    painter.before = before
    jobs = [make_job(seed=seed, width_px=64 * seed, fallback="reduce") for seed in (1, 2, 3)]
    results = asyncio.ensure_future(paint(engine, *jobs))
    leaving = engine.submit(make_job(seed=4, num_inference_steps=99), "4", "")
    first = asyncio.ensure_future(anext(leaving))
    while not first.done():
        painter.gate.release()  # type: ignore[union-attr]
        await asyncio.sleep(0.001)
    await leaving.aclose()
    while not results.done():
        painter.gate.release()  # type: ignore[union-attr]
        await asyncio.sleep(0.001)
    async with asyncio.timeout(30):
        while any(painting.closed == 0 for tries in begun.values() for painting in tries):
            painter.gate.release()  # type: ignore[union-attr]
            await asyncio.sleep(0.001)
    one, two, three = results.result()
    assert (one.degraded, three.degraded) == ((), ("reduced",))
    assert failed_by(two, ValueError)
    assert {seed: [painting.closed for painting in tries] for seed, tries in sorted(begun.items())} == {
        1: [1],
        2: [1],
        3: [1, 1],
        4: [1],
    }
