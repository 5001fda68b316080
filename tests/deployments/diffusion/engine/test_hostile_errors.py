"""Models that raise unexpected exceptions fail their own request, and never stop the painting thread."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import pytest

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.engine.watchdog import Unhealthy
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.errors import GenerationFailed, InvalidRequest, NotReady, OutOfMemory, ScenewrightError
from deployments.messages import LayerJob
from tests.support.engines import engine_of, run
from tests.support.hostile_errors import (
    HOSTILE,
    KeywordsAlone,
    Locked,
    OwnInvalidRequest,
    Wordless,
    name_of,
)
from tests.support.polling import eventually

MakeJob = Callable[..., LayerJob]


class Undecided(Exception):
    """An exception without a truth value, as arrays have none."""

    def __bool__(self) -> NoReturn:
        raise ValueError


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.diffusion.engine.watchdog.FIRST_S", 0.01)


def throw(error: BaseException) -> Callable[..., NoReturn]:
    def throwing(*_: object) -> NoReturn:
        raise error

    return throwing


@pytest.mark.parametrize("error", HOSTILE, ids=name_of)
@pytest.mark.parametrize("where", ["load", "begin", "before", "on_decode", "free", "shade"])
async def test_whatever_a_model_raises_each_caller_gets_an_error_of_its_own(
    make_job: MakeJob, fake_painter: Any, error: BaseException, where: str
) -> None:
    engine = engine_of(fake_painter)
    whole = getattr(fake_painter, where)
    setattr(fake_painter, where, throw(error))
    if where == "load":
        fake_painter.unload()  # A loaded model is not loaded again.
    if where == "free":
        fake_painter.before = throw(OutOfMemory("no room"))
    requested = [make_job(fallback="none"), make_job(fallback="none"), make_job(fallback="none", seed=1)]
    painting = [run(engine, job, str(job.seed)) for job in requested]
    reported: list[Any] = await asyncio.wait_for(asyncio.gather(*painting, return_exceptions=True), 60)
    assert all(isinstance(each, ScenewrightError) for each in reported)
    assert len({id(each) for each in reported}) == 3
    for each in reported:
        back = pickle.loads(pickle.dumps(each))  # noqa: S301
        assert (type(back), str(back)) == (type(each), str(each))
    setattr(fake_painter, where, whole)
    fake_painter.before = lambda paintings: None
    if where == "free" or (isinstance(error, OutOfMemory) and where != "load"):
        with pytest.raises(Unhealthy, match="out of memory"):  # The second time in a minute.
            engine.check_health()
        return
    await eventually(lambda: engine.readiness().ready)
    assert (await run(engine, make_job(seed=2))).seed == 2


async def test_words_of_ours_are_reported_and_no_others(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    fake_painter.begin = throw(OwnInvalidRequest(word="x"))
    with pytest.raises(InvalidRequest, match="the word x") as refused:
        await run(engine, make_job())
    assert (type(refused.value), refused.value.param) == (InvalidRequest, "prompt")
    fake_painter.begin = throw(KeywordsAlone(reason="/secret/path"))
    with pytest.raises(GenerationFailed) as failed:
        await run(engine, make_job())
    assert "secret" not in str(failed.value)
    assert isinstance(failed.value.__cause__, KeywordsAlone)


async def test_a_picture_is_not_kept_in_memory_by_the_error_it_led_to(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter)

    def forward(paintings: object) -> None:
        latents = np.zeros(1_000_000)
        raise RuntimeError(latents.shape)

    fake_painter.before = forward
    with pytest.raises(GenerationFailed) as failed:
        await run(engine, make_job())
    cause = failed.value.__cause__
    assert cause is not None
    trace, held = cause.__traceback__, []
    while trace is not None:
        held += [value for value in trace.tb_frame.f_locals.values() if isinstance(value, np.ndarray)]
        trace = trace.tb_next
    assert held == []


async def test_a_model_that_fails_gives_the_placeholder_that_was_requested(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter)
    fake_painter.before = throw(KeywordsAlone(reason="x"))
    layer = await run(engine, make_job(fallback="placeholder"))
    assert layer.degraded == ("placeholder",)
    fake_painter.begin = throw(KeywordsAlone(reason="x"))
    layer = await run(engine, make_job(fallback="placeholder"))
    timings = layer.timings
    assert min(timings.queue_ms, timings.encode_ms, timings.denoise_ms, timings.decode_ms) >= 0


async def test_a_placeholder_that_fails_fails_its_own_request(make_job: MakeJob, fake_painter: Any) -> None:
    engine = Engine(fake_painter, lambda _: None, throw(Wordless()), GenerationConfig())
    engine.start()

    def first(paintings: Any) -> None:
        if any(painting.request.seed == 1 for painting in paintings):
            raise RuntimeError("x")

    fake_painter.before = first
    jobs = [make_job(seed=seed, fallback="placeholder") for seed in (1, 2)]
    failed, painted = await asyncio.gather(
        *(run(engine, job, str(job.seed)) for job in jobs), return_exceptions=True
    )
    assert isinstance(failed, GenerationFailed)
    assert not isinstance(painted, BaseException) and painted.seed == 2


@pytest.mark.parametrize(
    "error", [RuntimeError("a bug of ours"), SystemExit(1), MemoryError(), Undecided()], ids=name_of
)
async def test_a_step_loop_that_ends_is_unhealthy_and_fails_all_that_wait(
    make_job: MakeJob, gated_painter: Any, error: BaseException
) -> None:
    engine = engine_of(gated_painter)
    waiting = [asyncio.create_task(run(engine, make_job(seed=seed), str(seed))) for seed in range(3)]
    await eventually(lambda: len(engine._job_table.work_items()) == 3)
    engine._job_table.rest = throw(error)  # type: ignore[method-assign]
    gated_painter.gate.release(100)
    reported = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 60)
    assert all(isinstance(each, NotReady) for each in reported)
    with pytest.raises(Unhealthy, match="the step loop has ended"):
        engine.check_health()
    assert (engine.readiness().ready, engine.readiness().reason) == (False, "the step loop has ended")
    with pytest.raises(NotReady):
        await run(engine, make_job())


async def test_a_thread_that_takes_no_work_is_unhealthy(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    engine._thread.shutdown()
    with pytest.raises(NotReady):
        await run(engine, make_job())
    assert engine._job_table.work_items() == []
    with pytest.raises(Unhealthy, match="thread has ended"):
        engine.check_health()
    assert not engine.readiness().ready


async def test_a_lost_device_is_replaced(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter)
    fake_painter.before = throw(RuntimeError("CUDA error: device-side assert triggered"))
    with pytest.raises(GenerationFailed):
        await run(engine, make_job())
    with pytest.raises(Unhealthy, match="no longer use the device"):
        engine.check_health()
    assert not engine.readiness().ready


async def test_a_model_that_fails_again_and_again_must_prove_that_it_paints(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter)
    broken = True
    whole = fake_painter.step

    def step(paintings: Any) -> None:
        if broken:
            raise RuntimeError("every step fails at once")
        whole(paintings)

    fake_painter.step = step
    for seed in range(3):
        assert engine.readiness().ready
        with pytest.raises(GenerationFailed):
            await run(engine, make_job(seed=seed))
    await eventually(lambda: not engine.readiness().ready)
    engine.check_health()
    broken = False
    await eventually(lambda: engine.readiness().ready)
    assert (await run(engine, make_job())).seed == 42


async def test_three_requests_that_cannot_be_painted_say_nothing_of_the_model(
    make_job: MakeJob, fake_painter: Any
) -> None:
    engine = engine_of(fake_painter)
    fake_painter.before = throw(RuntimeError("poisoned words"))
    for seed in range(7):
        with pytest.raises(GenerationFailed):
            await run(engine, make_job(seed=seed))
    assert engine.readiness().ready
    assert fake_painter.loads == 1


async def test_an_idle_model_that_cannot_be_unloaded_is_seen(make_job: MakeJob, fake_painter: Any) -> None:
    engine = engine_of(fake_painter, unload_after_idle_s=0.01)
    fake_painter.unload = throw(Locked())
    await run(engine, make_job())
    await eventually(lambda: not engine.readiness().ready)
