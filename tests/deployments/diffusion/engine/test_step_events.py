from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from deployments.diffusion.engine.work_item import Listener, Place, Progress, step_event
from deployments.errors import GenerationFailed
from deployments.failures import Failure
from deployments.messages import LayerJob, Pixels, StepEvent

MakeJob = Callable[..., LayerJob]
GREY = np.full((6, 4, 3), 128, np.uint8)


@pytest.fixture
def job(make_job: MakeJob) -> LayerJob:
    """Return a job with one preview, after the second of its four steps."""
    return make_job(previews=1, deadline_at=time.monotonic() + 600)


@pytest.fixture
async def listener() -> Listener:
    return Listener(asyncio.get_running_loop())


def is_grey(preview: bytes | None) -> bool:
    assert preview is not None
    with Image.open(BytesIO(preview)) as picture:
        return bool(picture.size == (4, 6) and np.abs(np.asarray(picture).astype(int) - 128).max() < 3)


@pytest.mark.parametrize("later", [False, True])
async def test_a_preview_comes_where_it_was_requested(job: LayerJob, listener: Listener, later: bool) -> None:
    drawing: Future[Pixels | None] = Future()
    drawing.set_result(GREY)
    for step in (1, 2, 3, 4):
        event = await step_event(job, listener, Progress(step, 4, drawing if later else GREY))
        assert (event.kind, event.step, event.steps) == ("character", step, 4)
        assert is_grey(event.preview) if step == 2 else event.preview is None


async def test_the_event_waits_for_its_preview(job: LayerJob, listener: Listener) -> None:
    drawing: Future[Pixels | None] = Future()
    event = asyncio.create_task(step_event(job, listener, Progress(2, 4, drawing)))
    listener.receive(Progress(3, 4))
    listener.receive(Place(0))
    await asyncio.sleep(0)
    assert not event.done()
    await asyncio.to_thread(drawing.set_result, GREY)
    assert is_grey((await event).preview)


async def test_but_not_when_the_painting_has_ended(job: LayerJob, listener: Listener) -> None:
    drawing: Future[Pixels | None] = Future()
    event = asyncio.create_task(step_event(job, listener, Progress(2, 4, drawing)))
    listener.receive(Failure(GenerationFailed, "flat", "character"))
    assert await event == StepEvent("character", 2, 4)
    assert drawing.cancelled(), "nothing waits for it now"


async def test_nor_beyond_the_deadline(make_job: MakeJob, listener: Listener) -> None:
    job = make_job(previews=1, deadline_at=time.monotonic())
    assert await step_event(job, listener, Progress(2, 4, Future())) == StepEvent("character", 2, 4)


@pytest.mark.parametrize("end", [lambda drawing: drawing.set_result(None), lambda drawing: drawing.cancel()])
async def test_one_that_comes_to_nothing(
    job: LayerJob, listener: Listener, end: Callable[[Future[Pixels | None]], object]
) -> None:
    drawing: Future[Pixels | None] = Future()
    event = asyncio.create_task(step_event(job, listener, Progress(2, 4, drawing)))
    await asyncio.sleep(0)
    await asyncio.to_thread(end, drawing)
    assert await event == StepEvent("character", 2, 4)


async def test_a_caller_that_goes_away_takes_it_along(job: LayerJob, listener: Listener) -> None:
    drawing: Future[Pixels | None] = Future()
    event = asyncio.create_task(step_event(job, listener, Progress(2, 4, drawing)))
    await asyncio.sleep(0)
    event.cancel()
    with pytest.raises(asyncio.CancelledError):
        await event
    assert drawing.cancelled()


async def test_one_that_fails_and_one_that_cannot_be_encoded_cost_no_picture(
    job: LayerJob, listener: Listener
) -> None:
    drawing: Future[Pixels | None] = Future()
    drawing.set_exception(SystemExit(1))
    assert await step_event(job, listener, Progress(2, 4, drawing)) == StepEvent("character", 2, 4)
    torn = np.zeros((4, 6, 7), np.uint8)
    assert await step_event(job, listener, Progress(2, 4, torn)) == StepEvent("character", 2, 4)
