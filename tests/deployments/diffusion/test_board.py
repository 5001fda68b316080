from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deployments.diffusion.attempts import Attempt
from deployments.diffusion.batch_key import BatchKey
from deployments.diffusion.board import Board
from deployments.diffusion.pace import Pace
from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.result_cache import ResultCache
from deployments.diffusion.scheduler import Scheduler
from deployments.diffusion.work import Listener, Work
from deployments.errors import Overloaded
from deployments.messages import LayerJob, LayerResult, LayerTimings

MakeJob = Callable[..., LayerJob]
REQUEST = PaintRequest("words", "", 4, 7.5, 42, 64, 64)


class Woken:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def board_of(woken: Woken, max_jobs: int = 8) -> Board:
    scheduler = Scheduler(Pace(BatchKey(64, 64), {1: 0.01}), 8, 8.0, max_jobs)
    return Board(scheduler, ResultCache(1 << 20), woken, clock=lambda: 100.0)


def enter(board: Board, job: LayerJob, request: PaintRequest = REQUEST) -> tuple[Work, Listener]:
    entered = board.enter(job, request, "model", asyncio.get_running_loop())
    assert not isinstance(entered, LayerResult)
    return entered


def layer() -> LayerResult:
    return LayerResult(
        "character", np.zeros((4, 4, 3), np.uint8), 42, "m", "simulated", LayerTimings(1, 2, 3, 4)
    )


async def test_the_models_thread_is_woken_once_and_again_after_it_rested(make_job: MakeJob) -> None:
    woken = Woken()
    board = board_of(woken)
    works = [enter(board, make_job(no_store=True)) for _ in range(3)]
    assert woken.times == 1
    assert not board.rest()
    for work, listener in works:
        board.leave(work, listener)
    assert board.rest()
    enter(board, make_job())
    assert woken.times == 2


async def test_an_equal_job_joins_and_makes_it_as_urgent_as_itself(make_job: MakeJob) -> None:
    board = board_of(Woken())
    work, _ = enter(board, make_job(deadline_at=500.0, priority="batch"))
    joined, listener = enter(board, make_job(deadline_at=300.0, previews=2))
    assert joined is work and listener.joined
    assert (work.state.deadline_at, work.state.priority, work.previews) == (300.0, "interactive", 2)
    assert enter(board, make_job(fallback="none", deadline_at=500.0))[0] is not work
    assert enter(board, make_job(no_store=True, deadline_at=500.0))[0] is not work


async def test_what_ended_is_kept_for_the_next_and_told_once(make_job: MakeJob) -> None:
    board = board_of(Woken())
    work, listener = enter(board, make_job())
    assert board.end(work, layer()) == [listener]
    assert board.end(work, layer()) == []
    board.leave(work, listener)
    again = board.enter(make_job(), REQUEST, "model", asyncio.get_running_loop())
    assert isinstance(again, LayerResult) and again.cached
    assert board.enter(make_job(), REQUEST, "other weights", asyncio.get_running_loop()) is not again


async def test_another_attempt_keeps_its_place_and_its_callers(make_job: MakeJob) -> None:
    board = board_of(Woken())
    work, listener = enter(board, make_job())
    before, smaller = work.state, PaintRequest("words", "", 2, 1.0, 42, 64, 32)
    board.try_again(work, Attempt(smaller, 2, reduced=True))
    assert work.state is not before
    assert (work.state.arrived_at, work.state.key, work.state.rows) == (100.0, BatchKey(64, 32), 1)
    assert board.choose() == [work]
    board.leave(work, listener)
    board.try_again(work, Attempt(REQUEST, 3))
    assert board.works() == [], "nobody waits for it"


async def test_a_refused_job_leaves_nothing_behind(make_job: MakeJob) -> None:
    woken = Woken()
    board = board_of(woken, max_jobs=0)
    with pytest.raises(Overloaded) as refused:
        enter(board, make_job())
    assert refused.value.retry_after_s == 1.0
    assert (board.works(), woken.times) == ([], 0)


async def test_a_picture_without_steps_left_is_not_chosen(make_job: MakeJob) -> None:
    board = board_of(Woken())
    work, _ = enter(board, make_job())
    painting: Any = type("Painting", (), {"steps": 4, "done": 3, "rows": 2})()
    work.painting = painting
    assert not board.stepped(work)
    assert board.choose() == [work]
    painting.done = 4
    assert board.stepped(work)
    assert board.choose() == []
    assert not board.rest(), "it is still to be decoded"
