"""A replica's LoRAs under load: many names, few slots, cancellations, faults and too little memory."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deployments.character import Character
from deployments.diffusion.model import pipeline_painter
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.diffusion.scheduling.cost_model import RowLimits
from deployments.diffusion.simulated.simulated_painter import SimulatedPainter
from deployments.errors import InvalidRequest, OutOfMemory
from deployments.generator import Generator, GeneratorConfig
from deployments.messages import LayerJob, LayerResult, LoraUse, StepEvent
from deployments.reports.routing_stats import RoutingStats
from tests.support.lora_files import UNET, pair, write_lora
from tests.support.polling import eventually
from tests.support.tiny_models import one_thread as one_thread
from tests.support.tiny_models import tiny_sd1 as tiny_sd1

NAMES, SLOTS = 200, 8
NUMBERS = 2 * (2 * 4 * 32)
"""The weights in each file: two layers of rank 4, without their alphas."""
NO_CACHE = GenerationConfig(calibration_s=0, warm_up_steps=1, result_cache_bytes=0, max_jobs=1_000)
MakeJob = Callable[..., LayerJob]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras")
    for seed in range(NAMES):
        write_lora(folder, str(seed), seed)
    write_lora(folder, "misfit", **pair(UNET, width=48))
    return folder


@pytest.fixture(scope="module")
def generator(tiny_sd1: Path, folder: Path) -> Generator:
    budget = SLOTS * 4 * (NUMBERS + 2)
    model = ModelConfig(
        str(tiny_sd1), device="cpu", threads=1, lora_folder=str(folder), lora_budget_bytes=budget
    )
    generator = Character(GeneratorConfig(model, generation=NO_CACHE))
    # Whatever calibration finds on a busy machine.
    generator._engine._job_table.scheduler._row_limits = RowLimits(16)
    return generator


@pytest.fixture
def job_of(make_job: MakeJob, folder: Path) -> MakeJob:
    def make(*names: str, scale: float = 1.0, **changes: Any) -> LayerJob:
        def use(name: str) -> LoraUse:
            data = (folder / f"{name}.safetensors").read_bytes()
            return LoraUse(name=name, sha256=sha256(data).hexdigest(), scale=scale, param=f"loras.{name}")

        small = {"num_inference_steps": 2, "guidance_scale": 0.0, "width_px": 64, "height_px": 64}
        return make_job(**(small | {"loras": tuple(map(use, names)), "fallback": "none"} | changes))

    return make


async def painted(generator: Generator, job: LayerJob) -> Any:
    return (await generator.paint(job)).pixels.astype(int)


def same(one: Any, other: Any) -> bool:
    """Return whether they are equal, except for rounding to one of 256 levels."""
    return bool(np.abs(one - other).max() <= 1)


async def test_two_hundred_names_over_eight_slots_are_never_mixed_up(
    generator: Generator, job_of: MakeJob
) -> None:
    names = [str(number) for number in range(NAMES)]
    checked = names[::10]
    alone = {name: await painted(generator, job_of(name)) for name in checked}
    assert not any(same(one, other) for one, other in pairwise(alone.values())), "all differ"
    random.Random(5).shuffle(names)
    held: list[int] = []

    async def one(name: str) -> bool:
        picture = await painted(generator, job_of(name, num_inference_steps=2 if name in alone else 1))
        held.append(generator._loras.size_bytes)
        return name not in alone or same(picture, alone[name])

    assert all(await asyncio.gather(*map(one, [*names, *checked])))
    assert max(held) <= generator._loras._budget_bytes
    stats = RoutingStats.from_stats(await generator.record_routing_stats())
    assert stats is not None and 1 <= len(stats.loras) <= SLOTS


async def test_while_one_is_read_other_pictures_are_painted(
    generator: Generator, job_of: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun, read = threading.Event(), threading.Event(), generator._loras._read

    def slowly(use: LoraUse) -> Any:
        begun.set()
        assert gate.wait(60)
        return read(use)

    monkeypatch.setattr(generator._loras, "_read", slowly)
    plain = job_of(num_inference_steps=30)
    events = generator.stream(plain)
    assert isinstance(await anext(events), StepEvent)
    waiting = asyncio.create_task(painted(generator, job_of("1", "2")))
    await eventually(begun.is_set)
    rest = [event async for event in events]
    assert isinstance(rest[-1], LayerResult) and not waiting.done()
    gate.set()
    both = await waiting
    assert not same(both, await painted(generator, job_of("1")))


async def test_one_that_does_not_fit_fails_its_picture_alone(generator: Generator, job_of: MakeJob) -> None:
    alone = await painted(generator, job_of("3"))
    results = await asyncio.gather(
        painted(generator, job_of("3")),
        painted(generator, job_of("3", "misfit")),
        painted(generator, job_of("3")),
        return_exceptions=True,
    )
    assert same(results[0], alone) and same(results[2], alone)
    assert isinstance(results[1], InvalidRequest) and results[1].param == "loras.misfit"
    assert "does not fit tiny-sd1" in results[1].message
    too_many = job_of(*map(str, range(SLOTS + 1)))
    with pytest.raises(InvalidRequest, match="its LoRAs need"):
        await generator.paint(too_many)


async def test_a_cancelled_picture_gives_its_place_back(generator: Generator, job_of: MakeJob) -> None:
    all_slots = job_of(*map(str, range(SLOTS)), num_inference_steps=150)
    events = generator.stream(all_slots)
    assert isinstance(await anext(events), StepEvent)
    waiting = asyncio.create_task(painted(generator, job_of("20")))
    given_up = asyncio.create_task(painted(generator, job_of("21")))
    await eventually(lambda: len(generator._loras._waiting) == 2)
    given_up.cancel()
    await events.aclose()
    assert same(await waiting, await painted(generator, job_of("20")))
    assert all(not held.users for held in generator._loras._held.values())
    await eventually(lambda: not generator._loras._waiting)


async def test_a_lack_of_memory_halves_the_forward_and_loses_nothing(
    generator: Generator, job_of: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job_of(str(number), seed=number, num_inference_steps=12) for number in range(6)]
    alone = [await painted(generator, job) for job in jobs]
    together, rows = pipeline_painter.run_together, list[int]()

    def of_three_rows(network: Any, calls: Any, filled: int = 0) -> Any:
        rows.append(filled)
        if filled > 3:
            raise OutOfMemory("no room")
        return together(network, calls, filled)

    monkeypatch.setattr(pipeline_painter, "run_together", of_three_rows)
    results = await asyncio.gather(*(painted(generator, job) for job in jobs))
    assert max(rows) > 3 and all(map(same, results, alone))


async def test_equal_jobs_are_painted_once_and_each_scale_is_another(
    tiny_sd1: Path, folder: Path, job_of: MakeJob
) -> None:
    model = ModelConfig(str(tiny_sd1), device="cpu", threads=1, lora_folder=str(folder))
    generator = Character(GeneratorConfig(model, generation=replace(NO_CACHE, result_cache_bytes=64 << 20)))
    jobs = [job_of("1"), job_of("1"), job_of("1", scale=0.5), job_of("1", "2"), job_of()]
    layers = [await generator.paint(job) for job in jobs]
    assert [layer.cached for layer in layers] == [False, True, False, False, False]
    recipe = layers[2].recipe
    assert recipe is not None and [(lora.name, lora.scale) for lora in recipe.loras] == [("1", 0.5)]


@pytest.mark.parametrize("fallback", ["none", "reduce", "placeholder"])
async def test_a_lora_without_room_follows_the_fallback(
    simulated: GeneratorConfig, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, fallback: str
) -> None:
    def full(*args: Any) -> Any:
        raise OutOfMemory("no room")

    monkeypatch.setattr(SimulatedPainter, "read_lora", full)
    generator = Character(simulated)
    job = make_job(loras=(LoraUse(name="ink", sha256="0" * 64, param="loras.0"),), fallback=fallback)
    if fallback == "none":
        with pytest.raises(OutOfMemory):
            await generator.paint(job)
        return
    layer = await generator.paint(job)
    assert layer.degraded == ("without_loras",)
    plain = await generator.paint(replace(job, loras=()))
    assert plain.degraded == () and np.array_equal(layer.pixels, plain.pixels)
    assert plain.recipe == layer.recipe and layer.recipe is not None and not layer.recipe.loras


async def test_a_replica_without_room_drops_the_loras_that_nobody_uses(
    simulated: GeneratorConfig, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = Character(simulated)
    await generator.paint(make_job(loras=(LoraUse(name="ink", sha256="0" * 64, param="loras.0"),)))
    step = SimulatedPainter.step

    def full_while_one_is_held(painter: SimulatedPainter, paintings: Any) -> None:
        if generator._loras.hashes():
            raise OutOfMemory("no room")
        step(painter, paintings)

    monkeypatch.setattr(SimulatedPainter, "step", full_while_one_is_held)
    layer = await generator.paint(make_job(seed=5, fallback="none"))
    assert layer.degraded == () and generator._loras.hashes() == ()
