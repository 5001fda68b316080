from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from deployments.diffusion.engine import device_time
from deployments.diffusion.engine.device_time import OTHERS, DeviceTime
from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.engine.work_item import Listener, WorkItem
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import Painting, PaintRequest
from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.errors import GenerationFailed, OutOfMemory
from deployments.messages import LayerJob, LayerResult, Usage
from tests.support.engines import engine_of, run
from tests.support.fake_painter import FakePainter
from tests.support.polling import eventually

MakeJob = Callable[..., LayerJob]


class TimedPainter(FakePainter):
    """Count busy time with a clock that nothing else advances; the prompt selects what fails."""

    def __init__(self) -> None:
        super().__init__()
        self.busy_s = 0.0

    def begin(self, request: PaintRequest) -> Painting:
        if request.prompt != "warm-up":
            self.busy_s += 2.0
        return super().begin(request)

    def step(self, paintings: Sequence[Painting]) -> None:
        words = {painting.request.prompt for painting in paintings}
        if "warm-up" not in words:
            self.busy_s += 3.0 + len(paintings)
            time.sleep(0.001)  # Lets the other jobs join.
        if "out of memory" in words and len(paintings) > 1:
            raise OutOfMemory("no room")
        if "fault" in words:
            raise RuntimeError("a fault of the model's")
        super().step(paintings)

    def decode(self, paintings: Sequence[Painting]) -> Any:
        if paintings[0].request.prompt != "warm-up":
            self.busy_s += 4.0
        return super().decode(paintings)


def timed(painter: TimedPainter, flaw: Callable[[Any], str | None] = lambda pixels: None) -> Engine:
    """Return an engine that reads the painter's own clock."""
    engine = Engine(painter, flaw, lambda job: np.zeros((1, 1, 3), np.uint8), GenerationConfig())
    engine.device_time.clock = lambda: painter.busy_s
    engine.start()
    return engine


def charged_s(engine: Engine, results: Sequence[object]) -> float:
    """Return the device seconds of all jobs, with or without a result."""
    answered = sum(each.usage.device_s for each in results if isinstance(each, LayerResult))
    return answered + sum(entry[4] for entry in engine.device_time.unanswered())


async def left_after(engine: Engine, job: LayerJob, events_wanted: int) -> None:
    """Leave after `events_wanted` events, like a caller that closes the connection."""
    async with aclosing(engine.submit(job, "left", "")) as events:
        async for _ in events:
            events_wanted -= 1
            if not events_wanted:
                return


async def test_the_shares_of_a_crowd_are_the_time_in_which_the_device_was_busy(make_job: MakeJob) -> None:
    painter = TimedPainter()
    engine = timed(painter)
    crowd = [
        *(run(engine, make_job(seed=n, num_inference_steps=3 + n % 4, tenant="a")) for n in range(8)),
        *(run(engine, make_job(seed=n, guidance_scale=1.0, tenant="b"), "unguided") for n in range(20, 24)),
        # Equal jobs are painted once, and their callers share the time.
        *(run(engine, make_job(seed=99, num_inference_steps=6, tenant="c")) for _ in range(3)),
        *(left_after(engine, make_job(seed=n, num_inference_steps=9), n - 39) for n in range(40, 44)),
        run(engine, make_job(seed=60, fallback="none", tenant="d"), "fault"),
        run(engine, make_job(seed=61, tenant="d"), "out of memory"),
    ]
    results = await asyncio.gather(*crowd, return_exceptions=True)
    assert isinstance(results[-2], GenerationFailed)
    assert sum(isinstance(each, LayerResult) for each in results) == 16
    # The forward during which the last caller left may still be running.
    await eventually(lambda: charged_s(engine, results) == pytest.approx(painter.busy_s), 10)
    assert sum(engine.device_time.by_tenant().values()) == pytest.approx(painter.busy_s)
    assert {"a", "b", "c", "d", ""} == set(engine.device_time.by_tenant())


async def test_a_kept_layer_takes_nothing_and_equal_ones_share(make_job: MakeJob) -> None:
    painter = TimedPainter()
    engine = timed(painter)
    job = make_job(num_inference_steps=5)
    one, other = await asyncio.gather(run(engine, job), run(engine, job))
    whole = job.megapixel_steps
    assert one.usage.megapixel_steps + other.usage.megapixel_steps == pytest.approx(whole)
    assert one.usage.megapixel_steps == pytest.approx(whole / 2)
    again = await run(engine, job)
    assert again.cached and again.usage == Usage()


async def test_all_attempts_at_a_picture_are_paid_for(make_job: MakeJob) -> None:
    painter, flaws = TimedPainter(), iter(["too dark", None])
    engine = timed(painter, lambda pixels: next(flaws))
    job = make_job(num_inference_steps=4)
    result = await run(engine, job)
    assert result.degraded == ("reseeded",)
    assert result.usage.megapixel_steps == pytest.approx(2 * job.megapixel_steps)
    assert result.usage.device_s == pytest.approx(painter.busy_s)


async def test_who_leaves_is_charged_for_the_forward_under_way_when_it_ends(
    make_job: MakeJob, gated_painter: Any
) -> None:
    engine = engine_of(gated_painter)
    job = make_job(num_inference_steps=3, request_id="left", tenant="a")
    async with aclosing(engine.submit(job, "words", "")) as events:
        gated_painter.gate.release()
        await anext(events)
    # It may be in the next forward, for which it was chosen before it left.
    gated_painter.gate.release(10)
    await eventually(lambda: bool(engine.device_time.unanswered()))
    ((_, tenant, request_id, path, device_s, _),) = engine.device_time.unanswered()
    assert (tenant, request_id, path) == ("a", "left", "character")
    assert engine.device_time.by_tenant()["a"] == pytest.approx(device_s)


def an_item(make_job: MakeJob, tenant: str, **more: Any) -> tuple[WorkItem, Listener]:
    job = make_job(tenant=tenant, **more)
    request = PaintRequest("words", None, 4, 7.5, 1, job.width_px, job.height_px)
    listener = Listener(None, tenant=tenant)  # type: ignore[arg-type]
    item = WorkItem(
        BatchKey(job.width_px, job.height_px),
        rows=2,
        steps_left=4,
        arrived_at=0.0,
        deadline_at=job.deadline_at,
        job=job,
        request=request,
        listeners=[listener],
    )
    return item, listener


def test_a_forward_is_divided_by_the_rows_in_it(make_job: MakeJob) -> None:
    times = iter([0.0, 6.0])
    meter = DeviceTime(lambda: next(times))
    (guided, one), (plain, other) = an_item(make_job, "a"), an_item(make_job, "b")
    guided.painting = Painting(guided.request, 4, guided=True)
    plain.painting = Painting(plain.request, 4, guided=False)
    with meter.charge([guided, plain]):
        guided.painting.done = plain.painting.done = 1
    assert (one.usage.device_s, other.usage.device_s) == pytest.approx((4.0, 2.0))
    assert one.usage.megapixel_steps == pytest.approx(guided.job.megapixel_steps / guided.job.steps)
    assert meter.by_tenant() == pytest.approx({"a": 4.0, "b": 2.0})


def test_what_ended_without_an_answer_is_reported_for_a_while_and_bounded(
    make_job: MakeJob,
) -> None:
    now = 0.0
    meter = DeviceTime(now=lambda: now)
    for number in range(device_time.MOST_UNANSWERED + 5):
        listener = Listener(None, usage=Usage(1.0, 0.1))  # type: ignore[arg-type]
        meter.end_unanswered(make_job(request_id=str(number)), listener)
    reported = meter.unanswered()
    last = str(device_time.MOST_UNANSWERED + 4)
    assert len(reported) == device_time.MOST_UNANSWERED
    assert reported[-1][1:] == ("", last, "character", 1.0, 0.1)
    now = device_time.UNANSWERED_S + 1
    assert meter.unanswered() == ()


def test_requests_that_took_nothing_push_out_none_that_did(make_job: MakeJob) -> None:
    meter = DeviceTime(now=lambda: 0.0)
    took = Listener(None, usage=Usage(100.0, 9.0))  # type: ignore[arg-type]
    meter.end_unanswered(make_job(request_id="long", tenant="a"), took)
    for number in range(device_time.MOST_UNANSWERED + 5):
        meter.end_unanswered(make_job(request_id=str(number)), Listener(None))  # type: ignore[arg-type]
    assert [entry[1:5] for entry in meter.unanswered()] == [("a", "long", "character", 100.0)]


def test_a_request_in_a_forward_is_not_pushed_out_either(make_job: MakeJob) -> None:
    times = iter([0.0, 50.0])
    meter = DeviceTime(lambda: next(times), now=lambda: 0.0)
    item, listener = an_item(make_job, "a", request_id="long")
    with meter.charge([item]):
        meter.end_unanswered(item.job, listener)
        for number in range(device_time.MOST_UNANSWERED + 5):
            small = Listener(None, usage=Usage(1.0, 0.1))  # type: ignore[arg-type]
            meter.end_unanswered(make_job(request_id=str(number)), small)
    assert ("a", "long", "character", 50.0) in [entry[1:5] for entry in meter.unanswered()]


def test_tenants_without_end_are_counted_together(make_job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_time, "MOST_TENANTS", 2)
    times = iter(range(100))
    meter = DeviceTime(lambda: float(next(times)))
    for tenant in ("a", "b", "c", "d", "a"):
        with meter.charge([an_item(make_job, tenant)[0]]):
            pass
    assert meter.by_tenant() == {"a": 2.0, "b": 1.0, OTHERS: 2.0}
