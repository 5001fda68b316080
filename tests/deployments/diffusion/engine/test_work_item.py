from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from deployments.diffusion.engine.work_item import (
    Listener,
    Outbox,
    Progress,
    WorkItem,
)
from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.messages import LayerJob, LayerTimings

MakeJob = Callable[..., LayerJob]


def test_the_stages_follow_each_other(make_job: MakeJob) -> None:
    request = PaintRequest("words", "", 4, 7.5, 1, 64, 64)
    item = WorkItem(BatchKey(64, 64), 2, 4, time.time(), 1e12, job=make_job(), request=request, queued_at=1.0)
    item.begun_at, item.encoded_at, item.denoised_at = 1.5, 2.5, 5.5
    assert item.timings(6.0) == LayerTimings(500.0, 1000.0, 3000.0, 500.0)


async def test_news_is_handed_over_on_the_listeners_own_loop_in_order() -> None:
    loop, outbox = asyncio.get_running_loop(), Outbox()
    one, other = Listener(loop), Listener(loop)
    news = [Progress(step, 2) for step in (1, 2)]
    outbox.put([one, other], news[0])
    outbox.put([one], news[1])
    await asyncio.to_thread(outbox.send)
    assert [await one.news.get(), await one.news.get(), await other.news.get()] == [*news, news[0]]
    outbox.send()
    await asyncio.sleep(0)
    assert one.news.empty(), "it is sent once"


def test_a_closed_loop_has_no_listener_left() -> None:
    loop, outbox = asyncio.new_event_loop(), Outbox()
    outbox.put([Listener(loop)], Progress(1, 2))
    loop.close()
    outbox.send()
