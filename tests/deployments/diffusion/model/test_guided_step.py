"""Reuse a picture's guidance between the steps that compute it, next to exact pictures."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.families import family_named
from deployments.diffusion.model.guided_step import GuidedSteps
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.painter import PaintRequest
from deployments.errors import InvalidRequest
from deployments.messages import LayerJob, LayerResult
from tests.support.polling import eventually
from tests.support.tiny_families import TINY

EXACT = PaintRequest("a red knight", "blurry", 6, 7.5, 11, 64, 96)
CACHED = replace(EXACT, guidance_cache=3)
TinyModel = Callable[[str], Path]
GUIDED = [name for name in TINY if family_named(name).guidance == "classifier_free"]


def painter_of(folder: Path, family: str | None = None, exact: bool = False) -> PipelinePainter:
    made = PipelinePainter(ModelConfig(str(folder), family=family, device="cpu", threads=1, exact=exact))
    made.load()
    return made


@contextmanager
def forwards_of(painter: PipelinePainter) -> Iterator[list[int]]:
    """Yield a list of the rows of each forward."""
    rows: list[int] = []
    hook = painter._denoiser.register_forward_pre_hook(
        lambda network, given, named: rows.append(len(given[0] if given else next(iter(named.values())))),
        with_kwargs=True,
    )
    yield rows
    hook.remove()


def finish(painter: PipelinePainter, *requests: PaintRequest) -> list[Any]:
    paintings = [painter.begin(request) for request in requests]
    while under_way := [painting for painting in paintings if painting.done < painting.steps]:
        painter.step(under_way)
        assert [painting.fault for painting in under_way] == [None] * len(under_way)
    for painting in paintings:
        painter.decode([painting])
    return [painting.run.output.images[0] for painting in paintings]


class FullRows:
    """Compute all rows of each step, then insert the cached guidance: the expected result, at full cost.

    `calls`: the number of calls in the steps with guidance, which come first.
    """

    def __init__(self, family: str, every: int, calls: int) -> None:
        self._family, self._every = family_named(family), every
        self._calls, self._last, self._difference, self._with = 0, calls, [torch.zeros(())], [torch.zeros(())]

    def __call__(self, network: Any, given: Any, output: Any) -> Any:
        if self._calls == self._last:
            return None
        leaves, form = tree_flatten(output)
        step, second = divmod(self._calls, self._family.guided_calls)
        self._calls += 1
        if self._family.guided_calls > 1:
            if not second:
                self._with = leaves
                return None
            without = self._of_step(step, self._with, leaves)
            return tree_unflatten(without, form)
        rows = [row for leaf in leaves for row in leaf.chunk(2)] if len(leaves) == 1 else leaves
        halves = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        with_prompt, without = halves if self._family.prompt_first else halves[::-1]
        halves = with_prompt, self._of_step(step, with_prompt, without)
        rows = [*halves[0], *halves[1]] if self._family.prompt_first else [*halves[1], *halves[0]]
        return tree_unflatten([torch.cat(rows)] if len(leaves) == 1 else rows, form)

    def _of_step(self, step: int, with_prompt: list[Any], without: list[Any]) -> list[Any]:
        if step % self._every == 0:
            self._difference = [one - other for one, other in zip(with_prompt, without, strict=True)]
            return without
        return [one - other for one, other in zip(with_prompt, self._difference, strict=True)]


@pytest.mark.parametrize("family", GUIDED)
def test_cached_guidance_is_that_of_the_step_before(family: str, tiny_model: TinyModel) -> None:
    painter = painter_of(tiny_model(family), family)
    request = replace(CACHED, num_inference_steps=4, guidance_scale=3.0)
    calls = 4 * family_named(family).guided_calls
    if family == "lumina2":  # It guides only the first quarter of its steps.
        request, calls = replace(request, num_inference_steps=12), 6
    with forwards_of(painter) as rows:
        [painted] = finish(painter, request)
    plain = replace(request, guidance_cache=1)
    with forwards_of(painter) as all_rows:
        [exact] = finish(painter, plain)
    hook = painter._denoiser.register_forward_hook(FullRows(family, 3, calls))
    [expected] = finish(painter, plain)
    hook.remove()
    assert np.abs(painted - expected).max() < 1e-4 < np.abs(painted - exact).max()
    assert sum(rows) < sum(all_rows)


@pytest.mark.parametrize("family", ["tiny_sd1", "tiny_sd2", "tiny_sdxl"])
def test_both_painters_paint_the_same(family: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(family)
    denoiser = Denoiser(ModelConfig(str(folder), device="cpu", threads=1))
    denoiser.load()
    painter = painter_of(folder)
    painting, same = painter.begin(CACHED), denoiser.begin(CACHED)
    rows = []
    while same.done < same.steps:
        assert painting.rows == same.rows
        rows.append(same.rows)
        painter.step([painting])
        denoiser.step([same])
    assert rows[:6] == [2, 1, 1, 2, 1, 1]
    assert np.array_equal(painter.decode([painting])[0], denoiser.decode([same])[0])
    assert painting.recipe == same.recipe and same.recipe.guidance_cache == 3
    same.close()
    assert same.difference is None


def test_exact_pictures_beside_it_are_bit_for_bit_as_alone(tiny_sd2: Path) -> None:
    """`exact` fixes the number of rows in a forward; count how many belong to each picture."""
    painter = painter_of(tiny_sd2, exact=True)
    others = [replace(EXACT, seed=seed, prompt=f"a fox {seed}") for seed in (1, 2)]
    alone = [finish(painter, each)[0] for each in (*others, CACHED)]
    paintings = [painter.begin(each) for each in (*others, CACHED)]
    shares = []
    while paintings[0].done < paintings[0].steps:
        shares.append([painting.rows for painting in paintings])
        painter.step(paintings)
    assert shares == [[2, 2, 2], [2, 2, 1], [2, 2, 1]] * 2
    for painting, expected in zip(paintings, alone, strict=True):
        painter.decode([painting])
        assert np.array_equal(painting.run.output.images[0], expected)


@pytest.mark.parametrize("family", ["flux-dev", "flux-schnell"])
def test_where_guidance_is_no_row_there_is_none_to_cache(family: str, tiny_model: TinyModel) -> None:
    with pytest.raises(InvalidRequest) as refused:
        painter_of(tiny_model(family), family).begin(CACHED)
    assert refused.value.param == "speed.cache"


async def test_through_the_engine_it_is_declared_and_cancelled_it_leaves_nothing(
    tiny_sd2: Path, make_job: Callable[..., LayerJob]
) -> None:
    painter = painter_of(tiny_sd2)
    engine = Engine(
        painter, lambda pixels: None, lambda job: np.zeros((1, 1, 3), np.uint8), GenerationConfig()
    )
    engine.start()
    jobs = [
        make_job(seed=1, num_inference_steps=4),
        make_job(seed=1, num_inference_steps=4, guidance_cache=2),
        make_job(seed=1, num_inference_steps=4, guidance_cache=2, guidance_scale=1.0),
    ]

    async def paint(job: LayerJob) -> LayerResult:
        async for event in engine.submit(job, "a knight", ""):
            if isinstance(event, LayerResult):
                return event
        raise AssertionError("no result")

    async def leave() -> None:
        events = engine.submit(make_job(num_inference_steps=60, guidance_cache=4), "a witch", "")
        for _ in range(2):
            await anext(events)
        await events.aclose()

    painted = asyncio.gather(*map(paint, jobs))
    await leave()
    exact, cached, unguided = await painted
    assert [each.degraded for each in (exact, cached, unguided)] == [(), ("cached_guidance",), ()]
    assert not np.array_equal(exact.pixels, cached.pixels)
    assert [each.recipe.guidance_cache for each in (exact, cached, unguided) if each.recipe] == [1, 2, 1]
    again = await paint(jobs[1])
    assert again.cached and again.degraded == ("cached_guidance",)
    del exact, cached, unguided, again, painted
    await eventually(lambda: not differences())


def differences() -> list[GuidedSteps]:
    """Return the live GuidedSteps that keep a tensor."""
    gc.collect()
    return [
        each for each in gc.get_objects() if isinstance(each, GuidedSteps) and each._difference is not None
    ]
