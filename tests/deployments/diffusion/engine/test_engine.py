from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import aclosing
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.engine.watchdog import Unhealthy
from deployments.diffusion.engine.work_item import Progress
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.errors import DeadlineExceeded, NotReady, OutOfMemory, Overloaded
from deployments.messages import LayerEvent, LayerJob, LayerResult, QueueEvent, StepEvent
from tests.support.engines import engine_of, run
from tests.support.polling import eventually

MakeJob = Callable[..., LayerJob]


def stepped(painter: Any, prompt: str) -> list[int]:
    return [step for forward in painter.forwards for name, step in forward if name == prompt]


async def test_each_step_is_reported_when_it_is_done_and_the_result_once(
    make_job: MakeJob, gated_painter: Any
) -> None:
    async with aclosing(
        engine_of(gated_painter).submit(make_job(num_inference_steps=3), "words", "")
    ) as events:
        for step in (1, 2, 3):
            gated_painter.gate.release()
            assert await anext(events) == StepEvent("character", step, 3)
        result = await anext(events)
        assert isinstance(result, LayerResult)
        assert (result.seed, result.degraded, result.warnings, result.cached) == (
            42,
            (),
            ("a warning",),
            False,
        )
        assert min(result.timings.queue_ms, result.timings.denoise_ms, result.timings.decode_ms) > 0
        with pytest.raises(StopAsyncIteration):
            await anext(events)


@pytest.mark.parametrize(("words", "requested"), [("blurry", "blurry"), ("", None)])
async def test_no_words_are_no_negative_prompt(
    make_job: MakeJob, fake_painter: Any, words: str, requested: str | None
) -> None:
    events = [event async for event in engine_of(fake_painter).submit(make_job(), "a knight", words)]
    assert [request.negative_prompt for request in fake_painter.begun] == [requested]
    result = events[-1]
    assert isinstance(result, LayerResult) and result.recipe is not None
    assert result.recipe.negative_prompt == words


async def test_jobs_share_their_forwards_and_join_and_leave_between_steps(
    make_job: MakeJob, gated_painter: Any
) -> None:
    engine = engine_of(gated_painter)
    first = asyncio.create_task(run(engine, make_job(num_inference_steps=5, seed=1), "first"))
    gated_painter.gate.release(2)
    await eventually(lambda: len(gated_painter.forwards) == 2)
    second = asyncio.create_task(run(engine, make_job(num_inference_steps=2, seed=2), "second"))
    await eventually(lambda: engine._job_table.work_items()[-1].job.seed == 2)
    gated_painter.gate.release(10)
    results = await asyncio.gather(first, second)
    assert [result.pixels[0, 0, 0] for result in results] == [1, 2]
    assert stepped(gated_painter, "first") == [1, 2, 3, 4, 5]
    assert stepped(gated_painter, "second") == [1, 2]
    assert {frozenset(dict(forward)) for forward in gated_painter.forwards} == {
        frozenset({"first"}),
        frozenset({"first", "second"}),
    }


async def test_a_caller_hears_its_place_while_it_waits(make_job: MakeJob, gated_painter: Any) -> None:
    engine = engine_of(gated_painter, GenerationConfig(max_rows=2))
    events: dict[int, list[LayerEvent]] = {}

    async def follow(seed: int, queue_events: bool = True) -> None:
        job = make_job(seed=seed, queue_events=queue_events, num_inference_steps=4 + seed)
        async for event in engine.submit(job, str(seed), ""):
            events.setdefault(seed, []).append(event)

    tasks = [asyncio.create_task(follow(0))]
    await eventually(lambda: bool(gated_painter.begun))
    tasks += [
        asyncio.create_task(follow(1)),
        asyncio.create_task(follow(2)),
        asyncio.create_task(follow(3, False)),
    ]
    await eventually(lambda: len(engine._job_table.work_items()) == 4)
    gated_painter.gate.release()
    await eventually(lambda: 2 in events)
    assert events[2] == [QueueEvent("character", 2)], "it is sent before the step, not after it"
    gated_painter.gate.release(100)
    await asyncio.gather(*tasks)
    waits = {
        seed: [event.ahead for event in received if isinstance(event, QueueEvent)]
        for seed, received in events.items()
    }
    assert waits == {0: [], 1: [1, 0], 2: [2, 1, 0], 3: []}
    for received in events.values():
        kinds = [type(event) for event in received]
        assert kinds == sorted(kinds, key=[QueueEvent, StepEvent, LayerResult].index)


async def test_sizes_do_not_share_a_forward(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    jobs = [make_job(width_px=width, seed=width) for width in (64, 128, 64 + 128)]
    results = await asyncio.gather(*(run(engine, job, str(job.width_px)) for job in jobs))
    assert [result.pixels.shape[1] for result in results] == [64, 128, 192]
    assert all(len(forward) == 1 for forward in fake_painter.forwards)


async def test_at_most_two_pictures_are_decoded_between_two_steps(
    make_job: MakeJob, gated_painter: Any
) -> None:
    engine = engine_of(gated_painter)
    tasks = [asyncio.create_task(run(engine, make_job(seed=seed), str(seed))) for seed in range(5)]
    await eventually(lambda: len(engine._job_table.work_items()) == 5)
    gated_painter.gate.release(100)
    await asyncio.gather(*tasks)
    assert max(len(together) for together in gated_painter.decoded) == 2
    assert sum(len(together) for together in gated_painter.decoded) == 5


async def test_previews_come_with_as_many_steps_as_were_requested(
    make_job: MakeJob, fake_painter: Any
) -> None:
    job = make_job(num_inference_steps=8, previews=3)
    events = [event async for event in engine_of(fake_painter).submit(job, "words", "")]
    shown = {event.step: event.preview for event in events[:-1] if event.preview}  # type: ignore[union-attr]
    assert sorted(shown) == [2, 4, 6]
    assert all(Image.open(BytesIO(preview)).format == "JPEG" for preview in shown.values())


async def test_a_job_whose_deadline_has_passed_is_not_begun(make_job: MakeJob, fake_painter: Any) -> None:
    with pytest.raises(DeadlineExceeded):
        await run(engine_of(fake_painter), make_job(deadline_at=time.monotonic() - 1))
    assert fake_painter.begun == []


async def test_a_job_that_cannot_be_done_in_time_is_refused_at_once(
    make_job: MakeJob, fake_painter: Any
) -> None:
    fake_painter.measure = lambda rows: 50.0
    with pytest.raises(DeadlineExceeded, match="longer than the time"):
        await run(engine_of(fake_painter), make_job(num_inference_steps=50))
    assert fake_painter.begun == []


async def test_a_job_behind_too_much_work_gets_retry_after(make_job: MakeJob, gated_painter: Any) -> None:
    gated_painter.measure = lambda rows: 2.0 * rows
    engine = engine_of(gated_painter)
    soon = time.monotonic() + 100
    first = asyncio.create_task(run(engine, make_job(num_inference_steps=20, deadline_at=soon), "first"))
    await eventually(lambda: bool(engine._job_table.work_items()))
    with pytest.raises(Overloaded) as refused:
        await run(engine, make_job(num_inference_steps=20, seed=1, deadline_at=soon + 10), "second")
    assert refused.value.retry_after_s is not None and 1 <= refused.value.retry_after_s < 160
    gated_painter.gate.release(20)
    await first


async def test_more_jobs_than_there_is_room_for_are_refused(make_job: MakeJob, gated_painter: Any) -> None:
    engine = engine_of(gated_painter, GenerationConfig(max_jobs=1))
    first = asyncio.create_task(run(engine, make_job()))
    await eventually(lambda: bool(engine._job_table.work_items()))
    with pytest.raises(Overloaded):
        await run(engine, make_job(seed=1))
    gated_painter.gate.release(4)
    await first


async def test_a_deadline_that_passes_stops_the_painting(make_job: MakeJob, gated_painter: Any) -> None:
    engine = engine_of(gated_painter)
    gated_painter.gate.release(1)
    with pytest.raises(DeadlineExceeded):
        await run(engine, make_job(num_inference_steps=50, deadline_at=time.monotonic() + 1), "late")
    gated_painter.gate.release(60)
    await run(engine, make_job(), "next")
    assert stepped(gated_painter, "late") in ([1], [1, 2])


@pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0])
async def test_a_clock_that_is_set_moves_no_deadline(
    make_job: MakeJob, gated_painter: Any, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    engine = engine_of(gated_painter)
    events = time.time
    whole = asyncio.create_task(run(engine, make_job(), "whole"))
    late = asyncio.create_task(run(engine, make_job(seed=1, deadline_at=time.monotonic() + 2), "late"))
    await eventually(lambda: len(engine._job_table.work_items()) == 2)
    monkeypatch.setattr(time, "time", lambda: events() + jump_s)
    gated_painter.gate.release(1)
    with pytest.raises(DeadlineExceeded):
        await late
    gated_painter.gate.release(10)
    assert (await whole).seed == 42


@pytest.mark.parametrize("how", ["close", "cancel"])
async def test_an_abandoned_job_stops_at_its_next_step_and_disturbs_nobody(
    make_job: MakeJob, gated_painter: Any, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = engine_of(gated_painter)
    peer = asyncio.create_task(run(engine, make_job(num_inference_steps=30, seed=7), "peer"))
    await eventually(lambda: bool(engine._job_table.work_items()))
    if how == "close":
        events = engine.submit(make_job(num_inference_steps=40), "gone", "")
        opening = asyncio.ensure_future(anext(events))
        await eventually(lambda: len(engine._job_table.work_items()) == 2)
        gated_painter.gate.release(3)
        assert await opening == StepEvent("character", 1, 40)
        await events.aclose()
    else:
        task = asyncio.create_task(run(engine, make_job(num_inference_steps=40), "gone"))
        await eventually(lambda: len(engine._job_table.work_items()) == 2)
        gated_painter.gate.release(3)
        await eventually(lambda: bool(stepped(gated_painter, "gone")))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    taken = len(gated_painter.forwards)
    gated_painter.gate.release(50)
    result = await peer
    assert (result.seed, int(result.pixels[0, 0, 0])) == (7, 7)
    assert stepped(gated_painter, "peer") == list(range(1, 31))
    after = [dict(forward) for forward in gated_painter.forwards[taken:]]
    assert sum("gone" in forward for forward in after) <= 1
    gc.collect()
    assert caplog.records == [], "asyncio reports nothing left behind"


async def test_a_caller_who_leaves_just_when_there_is_news_has_left(
    make_job: MakeJob, gated_painter: Any
) -> None:
    engine = engine_of(gated_painter)
    leaving = asyncio.create_task(run(engine, make_job(num_inference_steps=40)))
    await eventually(lambda: bool(engine._job_table.work_items()))
    (item,) = engine._job_table.work_items()
    item.listeners[0].news.put_nowait(Progress(1, 40))
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert not engine._job_table.work_items()
    gated_painter.gate.release(1)


async def test_a_job_cancelled_while_it_waits_is_never_painted(make_job: MakeJob, gated_painter: Any) -> None:
    engine = engine_of(gated_painter)
    first = asyncio.create_task(run(engine, make_job(), "first"))
    await eventually(lambda: bool(gated_painter.begun))
    queued = asyncio.create_task(run(engine, make_job(width_px=128), "queued"))
    await eventually(lambda: len(engine._job_table.work_items()) == 2)
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    gated_painter.gate.release(20)
    await first
    await run(engine, make_job(seed=1), "last")
    assert [request.prompt for request in gated_painter.begun] == ["first", "last"]


async def test_batch_work_yields(make_job: MakeJob, gated_painter: Any) -> None:
    engine = engine_of(gated_painter)
    batch = asyncio.create_task(run(engine, make_job(priority="batch", num_inference_steps=9), "batch"))
    gated_painter.gate.release(1)
    await eventually(lambda: len(gated_painter.forwards) == 1)
    requested = asyncio.create_task(run(engine, make_job(seed=1, num_inference_steps=3), "asked"))
    await eventually(lambda: len(engine._job_table.work_items()) == 2)
    gated_painter.gate.release(20)
    await asyncio.gather(batch, requested)
    order = [forward[0][0] for forward in gated_painter.forwards]
    assert order.index("asked") <= 2
    assert "batch" not in order[order.index("asked") : order.index("asked") + 3]


async def test_an_equal_job_waits_for_the_one_under_way(make_job: MakeJob, gated_painter: Any) -> None:
    engine = engine_of(gated_painter)
    tasks = [asyncio.create_task(run(engine, make_job(previews=count))) for count in (0, 2)]
    await eventually(
        lambda: bool(engine._job_table.work_items()) and len(engine._job_table.work_items()[0].listeners) == 2
    )
    gated_painter.gate.release(4)
    first, second = await asyncio.gather(*tasks)
    assert len(gated_painter.begun) == 1
    assert (first.cached, second.cached) == (False, True)
    assert np.array_equal(first.pixels, second.pixels)


async def test_a_caller_that_joined_stays_when_the_first_one_leaves(
    make_job: MakeJob, gated_painter: Any
) -> None:
    engine = engine_of(gated_painter)
    first = asyncio.create_task(run(engine, make_job()))
    await eventually(lambda: bool(gated_painter.begun))
    second = asyncio.create_task(run(engine, make_job()))
    await eventually(lambda: len(engine._job_table.work_items()[0].listeners) == 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gated_painter.gate.release(4)
    assert (await second).seed == 42
    assert len(gated_painter.begun) == 1


async def test_an_equal_job_later_is_answered_from_the_cache(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    first, again = await run(engine, make_job()), await run(engine, make_job(previews=2))
    assert (first.cached, again.cached, again.timings.denoise_ms) == (False, True, 0.0)
    assert np.array_equal(first.pixels, again.pixels)
    for change in ({"seed": 1}, {"guidance_scale": 7.0}, {"num_inference_steps": 5}, {"width_px": 128}):
        assert not (await run(engine, make_job(**change))).cached
    assert not (await run(engine, make_job(prompt="other words"), "other words")).cached


async def test_no_store_is_painted_again_and_not_kept(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    for _ in range(2):
        assert not (await run(engine, make_job(no_store=True))).cached
    assert not (await run(engine, make_job())).cached
    assert not (await run(engine, make_job(no_store=True))).cached
    assert len(fake_painter.begun) == 4


async def test_a_model_that_cannot_be_loaded_again_gets_no_work_until_it_can(
    make_job: MakeJob, fake_painter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.diffusion.engine.watchdog.FIRST_S", 0.01)
    engine = engine_of(fake_painter)
    fake_painter.unload()
    fake_painter.load_error = RuntimeError("a cosmic ray")
    with pytest.raises(NotReady, match="see the replica's log"):
        await run(engine, make_job())
    assert not engine.readiness().ready
    fake_painter.load_error = None
    await eventually(lambda: engine.readiness().ready)
    assert (await run(engine, make_job())).seed == 42


async def test_before_it_is_started_an_engine_is_not_ready(make_job: MakeJob, fake_painter: Any) -> None:
    engine = Engine(fake_painter, lambda _: None, lambda _: np.zeros((1, 1, 3), np.uint8), GenerationConfig())
    assert not engine.readiness().ready
    assert engine.readiness().reason == "the model has not been loaded yet"
    with pytest.raises(NotReady):
        await run(engine, make_job())


async def test_why_a_model_does_not_load_is_logged_once(
    make_job: MakeJob, fake_painter: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("deployments.diffusion.engine.watchdog.FIRST_S", 0.01)
    engine = engine_of(fake_painter)
    fake_painter.unload()
    fake_painter.load_error = NotReady("unet is cut short")
    for _ in range(3):
        with pytest.raises(NotReady):
            await run(engine, make_job())
    assert [m for m in caplog.messages if "cannot paint" in m] == [
        "the model cannot paint: unet is cut short"
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NotReady("unet is cut short", retry_after_s=9), "unet is cut short"),
        (OutOfMemory("no room"), "the warm-up picture failed: no room"),
        (RuntimeError("/secret/path"), "the warm-up picture failed; see the replica's log"),
    ],
)
async def test_a_failed_load_is_reported_again_and_again(
    make_job: MakeJob, fake_painter: Any, error: Exception, reason: str
) -> None:
    fake_painter.load_error = error
    engine = engine_of(fake_painter)
    assert (engine.readiness().ready, engine.readiness().reason) == (False, reason)
    raised = []
    for _ in range(3):
        with pytest.raises(NotReady) as caught:
            await run(engine, make_job())
        raised.append(caught.value)
    assert {str(fault) for fault in raised} == {reason}
    assert raised[0].retry_after_s is not None
    engine.check_health()  # A replacement would fail in the same way.
    assert len({id(fault) for fault in raised}) == 3, "a shared exception would keep every traceback"


async def test_a_step_that_never_ends_is_seen(make_job: MakeJob, gated_painter: Any) -> None:
    engine = engine_of(gated_painter, GenerationConfig(wedged_after_s=0.05))
    engine.check_health()
    task = asyncio.create_task(run(engine, make_job()))
    await eventually(lambda: bool(gated_painter.begun))
    await eventually(lambda: engine._watchdog.fault(time.monotonic()) is not None)
    with pytest.raises(Unhealthy, match="running for"):
        engine.check_health()
    gated_painter.gate.release(4)
    await task
    engine.check_health()


async def test_a_lazy_model_paints_its_warm_up_and_is_loaded_again_at_the_first_job(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter, lazy_load=True)
    assert engine.readiness().ready
    assert (fake_painter.loaded, fake_painter.loads) == (False, 1)
    await run(engine, make_job())
    await run(engine, make_job(seed=1))
    assert (fake_painter.loaded, fake_painter.loads) == (True, 2)


async def test_an_idle_model_is_unloaded_and_the_next_job_loads_it_again(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter, unload_after_idle_s=0.05)
    await run(engine, make_job())
    assert fake_painter.loads == 1
    await eventually(lambda: not fake_painter.loaded)
    assert (await run(engine, make_job(seed=1))).seed == 1
    assert fake_painter.loads == 2


async def test_a_model_with_a_job_is_not_idle(make_job: MakeJob, gated_painter: Any) -> None:
    engine = engine_of(gated_painter, unload_after_idle_s=0.02)
    long = asyncio.create_task(run(engine, make_job(num_inference_steps=2), "long"))
    await asyncio.sleep(0)
    for seed in range(3):
        with pytest.raises(DeadlineExceeded):
            await run(engine, make_job(seed=seed, width_px=128, deadline_at=time.monotonic() + 0.03))
    gated_painter.gate.release(20)
    await long
    assert gated_painter.loads == 1
    await eventually(lambda: not gated_painter.loaded)


async def test_a_new_job_restarts_the_idle_time(make_job: MakeJob, gated_painter: Any) -> None:
    engine = engine_of(gated_painter, unload_after_idle_s=0.4)
    gated_painter.gate.release(4)
    await run(engine, make_job())
    long = asyncio.create_task(run(engine, make_job(seed=1), "long"))
    await asyncio.sleep(0.5)  # Longer than the idle time of the first job.
    gated_painter.gate.release(8)
    await long
    await run(engine, make_job(seed=2))
    assert gated_painter.loads == 1
