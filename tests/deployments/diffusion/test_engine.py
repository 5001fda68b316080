from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from deployments.diffusion.config import GenerationConfig
from deployments.diffusion.engine import Engine
from deployments.diffusion.painter import OnStep, Painted, PaintRequest
from deployments.errors import DeadlineExceeded, NotReady, OutOfMemory
from deployments.messages import Backend, LayerJob, LayerResult, StepEvent

MakeJob = Callable[..., LayerJob]


class GatedPainter:
    """Each step waits for a turn of the gate, so that a test decides when it is taken."""

    model = "gated"
    backend: Backend = "simulated"
    native_size = (64, 64)
    latent_factor = 8

    def __init__(self, load_error: Exception | None = None) -> None:
        self.gate = threading.Semaphore(0)
        self.loaded = False
        self.load_error = load_error
        self.loads = 0
        self.stepped = threading.Semaphore(0)
        self.painted: list[tuple[str, int]] = []

    def load(self) -> None:
        if self.load_error:
            raise self.load_error
        self.loads += not self.loaded
        self.loaded = True

    def unload(self) -> None:
        self.loaded = False

    def paint(self, request: PaintRequest, on_step: OnStep) -> Painted:
        for step in range(1, request.num_inference_steps + 1):
            if request.prompt != "warm-up":
                assert self.gate.acquire(timeout=20)
                self.painted.append((request.prompt, step))
            on_step(step, request.num_inference_steps)
            self.stepped.release()
        pixels = np.full((request.height_px, request.width_px, 3), request.seed % 256, np.uint8)
        return Painted(pixels, 1.0, 2.0, 3.0, ("a warning",))


def engine_of(painter: Any, **more: Any) -> Engine:
    engine = Engine(
        painter, lambda pixels: None, lambda job: np.zeros((1, 1, 3), np.uint8), GenerationConfig(), **more
    )
    engine.start()
    painter.stepped = threading.Semaphore(0)
    return engine


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def run(engine: Engine, job: LayerJob, prompt: str = "words") -> LayerResult:
    events = [event async for event in engine.submit(job, prompt, "")]
    assert all(isinstance(event, StepEvent) for event in events[:-1])
    assert isinstance(events[-1], LayerResult)
    return events[-1]


async def test_each_step_is_told_when_it_is_done_and_the_result_once(make_job: MakeJob) -> None:
    painter = GatedPainter()
    async with aclosing(engine_of(painter).submit(make_job(num_inference_steps=3), "words", "")) as events:
        for step in (1, 2, 3):
            painter.gate.release()
            assert await anext(events) == StepEvent("character", step, 3)
        result = await anext(events)
        assert isinstance(result, LayerResult)
        assert (result.seed, result.degraded, result.warnings) == (42, (), ("a warning",))
        assert (result.timings.encode_ms, result.timings.denoise_ms, result.timings.decode_ms) == (
            1.0,
            2.0,
            3.0,
        )
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_jobs_take_turns_and_the_wait_is_told(make_job: MakeJob) -> None:
    painter = GatedPainter()
    engine = engine_of(painter)
    first = asyncio.create_task(run(engine, make_job(), "first"))
    second = asyncio.create_task(run(engine, make_job(), "second"))
    await asyncio.sleep(0.05)
    painter.gate.release(8)
    quick, waited = await asyncio.gather(first, second)
    assert [prompt for prompt, _ in painter.painted] == ["first"] * 4 + ["second"] * 4
    assert waited.timings.queue_ms > max(50, quick.timings.queue_ms)


async def test_a_job_whose_deadline_has_passed_is_not_begun(make_job: MakeJob) -> None:
    painter = GatedPainter()
    with pytest.raises(DeadlineExceeded):
        await run(engine_of(painter), make_job(deadline_at=time.time() - 1))
    assert painter.painted == []


async def test_a_deadline_that_passes_stops_the_painting(make_job: MakeJob) -> None:
    painter = GatedPainter()
    engine = engine_of(painter)
    painter.gate.release(1)
    with pytest.raises(DeadlineExceeded):
        await run(engine, make_job(num_inference_steps=50, deadline_at=time.time() + 0.2), "late")
    painter.gate.release(60)
    await run(engine, make_job(), "next")
    assert [step for prompt, step in painter.painted if prompt == "late"] in ([1], [1, 2])


async def test_a_deadline_is_kept_in_the_queue_too(make_job: MakeJob) -> None:
    painter = GatedPainter()
    engine = engine_of(painter)
    first = asyncio.create_task(run(engine, make_job(), "first"))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded):
        await run(engine, make_job(deadline_at=time.time() + 0.05), "second")
    painter.gate.release(4)
    await first
    assert {prompt for prompt, _ in painter.painted} == {"first"}


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_an_abandoned_job_stops_at_its_next_step_and_disturbs_nobody(
    make_job: MakeJob, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    painter = GatedPainter()
    engine = engine_of(painter)
    if how == "close":
        events = engine.submit(make_job(num_inference_steps=50), "gone", "")
        painter.gate.release()
        assert await anext(events) == StepEvent("character", 1, 50)
        await events.aclose()
    else:
        task = asyncio.create_task(run(engine, make_job(num_inference_steps=50), "gone"))
        painter.gate.release()
        await until(lambda: len(painter.painted) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    painter.gate.release(50)
    result = await run(engine, make_job(seed=7), "next")
    assert (result.seed, int(result.pixels[0, 0, 0])) == (7, 7)
    assert len([prompt for prompt, _ in painter.painted if prompt == "gone"]) <= 2
    gc.collect()
    assert caplog.records == [], "asyncio complains of nothing left behind"


async def test_a_job_cancelled_in_the_queue_is_never_painted(make_job: MakeJob) -> None:
    painter = GatedPainter()
    engine = engine_of(painter)
    first = asyncio.create_task(run(engine, make_job(), "first"))
    queued = asyncio.create_task(run(engine, make_job(), "queued"))
    await asyncio.sleep(0.01)
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    painter.gate.release(20)
    await first
    await run(engine, make_job(), "last")
    assert {prompt for prompt, _ in painter.painted} == {"first", "last"}


async def test_an_unforeseen_fault_fails_its_own_job_alone(make_job: MakeJob) -> None:
    painter = GatedPainter()
    engine = engine_of(painter)
    painter.load_error = RuntimeError("a cosmic ray")
    with pytest.raises(RuntimeError, match="cosmic"):
        await run(engine, make_job())
    painter.load_error = None
    painter.gate.release(4)
    assert (await run(engine, make_job())).seed == 42


async def test_before_it_is_started_an_engine_is_not_ready(make_job: MakeJob) -> None:
    engine = Engine(
        GatedPainter(), lambda _: None, lambda _: np.zeros((1, 1, 3), np.uint8), GenerationConfig()
    )
    assert not engine.readiness().ready
    assert engine.readiness().reason == "the model has not been loaded yet"
    with pytest.raises(NotReady):
        await run(engine, make_job())


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotReady("unet is cut short", retry_after_s=9), "unet is cut short"),
        (OutOfMemory("no room"), "the warm-up picture failed: no room"),
        (RuntimeError("/secret/path"), "the warm-up picture failed; the replica's log says why"),
    ],
)
async def test_a_failed_load_is_told_again_and_again(
    make_job: MakeJob, error: Exception, reason: str
) -> None:
    engine = engine_of(GatedPainter(error))
    assert (engine.readiness().ready, engine.readiness().reason) == (False, reason)
    raised = []
    for _ in range(3):
        with pytest.raises(NotReady) as caught:
            await run(engine, make_job())
        raised.append(caught.value)
    assert {str(fault) for fault in raised} == {reason}
    assert raised[0].retry_after_s is not None
    assert len({id(fault) for fault in raised}) == 3, "one exception raised thrice would keep every traceback"


async def test_a_lazy_model_paints_its_warm_up_and_is_loaded_again_at_the_first_job(
    make_job: MakeJob,
) -> None:
    painter = GatedPainter()
    engine = engine_of(painter, lazy_load=True)
    assert engine.readiness().ready
    assert (painter.loaded, painter.loads) == (False, 1)
    painter.gate.release(8)
    await run(engine, make_job())
    await run(engine, make_job())
    assert (painter.loaded, painter.loads) == (True, 2)


async def test_an_idle_model_is_unloaded_and_the_next_job_loads_it_again(make_job: MakeJob) -> None:
    painter = GatedPainter()
    engine = engine_of(painter, unload_after_idle_s=0.05)
    painter.gate.release(8)
    await run(engine, make_job())
    assert painter.loaded
    await until(lambda: not painter.loaded)
    assert (await run(engine, make_job())).seed == 42
    assert painter.loads == 2


async def test_a_model_with_a_job_is_not_idle(make_job: MakeJob) -> None:
    painter = GatedPainter()
    engine = engine_of(painter, unload_after_idle_s=0.02)
    long = asyncio.create_task(run(engine, make_job(num_inference_steps=2), "long"))
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            await run(engine, make_job(deadline_at=time.time() + 0.03))
    painter.gate.release(2)
    await long
    assert painter.loads == 1
    await until(lambda: not painter.loaded)


async def test_a_new_job_begins_the_idle_time_anew(make_job: MakeJob) -> None:
    painter = GatedPainter()
    engine = engine_of(painter, unload_after_idle_s=0.4)
    painter.gate.release(4)
    await run(engine, make_job())
    long = asyncio.create_task(run(engine, make_job(), "long"))
    await asyncio.sleep(0.5)  # Longer than the idle time of the first job.
    painter.gate.release(8)
    await long
    await run(engine, make_job())
    assert painter.loads == 1
