"""Three ways to serve the same arrivals with one model on one thread. Each returns all latencies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import torch

from bench.engine.clocks import Clock
from bench.engine.contender_requests import Arrival
from deployments.diffusion.engine.calibration import Calibration
from deployments.diffusion.engine.job_table import JobTable
from deployments.diffusion.engine.result_cache import ResultCache
from deployments.diffusion.engine.retry_policy import RetryPolicy
from deployments.diffusion.engine.step_loop import StepLoop
from deployments.diffusion.engine.watchdog import Watchdog
from deployments.diffusion.engine.work_item import Listener
from deployments.diffusion.model.families import family_of_pipeline
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import AnyPainter
from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.cost_model import CostModel
from deployments.diffusion.scheduling.scheduler import Scheduler
from deployments.messages import LayerJob, LayerResult

Served = list[tuple[Arrival, float]]
MOST_TOGETHER = 8


def one_at_a_time(pipeline: Any, arrivals: Sequence[Arrival], clock: Clock) -> Served:
    """Run the stock pipeline, first come first served."""
    return _served_by(pipeline, arrivals, clock, most=1)


def dynamic_batching(pipeline: Any, arrivals: Sequence[Arrival], clock: Clock) -> Served:
    """Run the stock pipeline over all waiting requests with the first one's size, steps and guidance."""
    return _served_by(pipeline, arrivals, clock, MOST_TOGETHER)


def step_engine(
    painter: AnyPainter, calibration: Calibration, arrivals: Sequence[Arrival], clock: Clock
) -> Served:
    """Run our step loop, step by step."""
    config = GenerationConfig()
    cost_model = CostModel(BatchKey(*painter.native_size), calibration.seconds)
    scheduler = Scheduler(cost_model, calibration.cap_rows, config.stretch, max_jobs=len(arrivals))
    job_table = JobTable(scheduler, ResultCache(0), lambda: None, painter.first_forwards, clock.now)
    attempts = RetryPolicy(config, painter.latent_factor)
    step_loop = StepLoop(
        painter,
        job_table,
        attempts,
        Watchdog(1e9),
        flaw=lambda pixels: None,
        placeholder=lambda job: None,  # type: ignore[arg-type,return-value]
        load=lambda: None,
        prove=lambda: None,
    )
    coming, waiting, served = list(arrivals), [], []
    loop: Any = _Instantly()
    while coming or waiting:
        while coming and coming[0].at_s <= clock.now():
            arrival = coming.pop(0)
            entered = job_table.enter(_job(arrival), arrival.request, "", loop)
            assert not isinstance(entered, LayerResult)
            waiting.append((arrival, entered[1]))
        if job_table.rest():
            clock.skip_to(coming[0].at_s)
            continue
        step_loop.run_step()
        for arrival, listener in list(waiting):
            if _is_done(listener):
                waiting.remove((arrival, listener))
                served.append((arrival, clock.now() - arrival.at_s))
    return served


def _served_by(pipeline: Any, arrivals: Sequence[Arrival], clock: Clock, most: int) -> Served:
    left, served = list(arrivals), []
    arguments = family_of_pipeline(pipeline).arguments
    while left:
        clock.skip_to(left[0].at_s)
        first, now = left[0].request, clock.now()
        together = [
            arrival for arrival in left if arrival.at_s <= now and _alike(arrival.request) == _alike(first)
        ][:most]
        pipeline(
            prompt=[arrival.request.prompt for arrival in together],
            negative_prompt=[arrival.request.negative_prompt for arrival in together],
            num_inference_steps=first.num_inference_steps,
            guidance_scale=first.guidance_scale,
            width=first.width_px,
            height=first.height_px,
            generator=[torch.Generator("cpu").manual_seed(arrival.request.seed) for arrival in together],
            **arguments,
        )
        left = [arrival for arrival in left if arrival not in together]
        served += [(arrival, clock.now() - arrival.at_s) for arrival in together]
    return served


def _alike(request: Any) -> tuple[Any, ...]:
    return request.num_inference_steps, request.guidance_scale, request.width_px, request.height_px


def _job(arrival: Arrival) -> LayerJob:
    arguments = arrival.request
    return LayerJob(
        request_id="bench",
        kind="character",
        prompt=arguments.prompt,
        num_inference_steps=arguments.num_inference_steps,
        guidance_scale=arguments.guidance_scale,
        seed=arguments.seed,
        width_px=arguments.width_px,
        height_px=arguments.height_px,
        deadline_at=1e12,
        no_store=True,
    )


def _is_done(listener: Listener) -> bool:
    while not listener.news.empty():
        news = listener.news.get_nowait()
        if isinstance(news, Exception):
            raise news
        if isinstance(news, LayerResult):
            return True
    return False


class _Instantly:
    """The one method of an event loop that the outbox needs."""

    def call_soon_threadsafe(self, act: Callable[..., object], *arguments: Any) -> asyncio.Handle | None:
        act(*arguments)
        return None
