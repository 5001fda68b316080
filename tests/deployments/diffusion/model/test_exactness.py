"""Paint the same picture whatever shares its forwards.

Alone, it is bitwise the stock pipeline's; with peers, within one 8-bit level; with fixed rows, bitwise the
same whatever the peers.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.model.denoiser import Denoiser, DiffusionPainting
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.diffusion.painter import PaintRequest
from deployments.messages import LayerJob, LayerResult, Pixels
from tests.support.stock_pipelines import solver_of, stock

FAMILIES = ["tiny_sd1", "tiny_sd2", "tiny_sdxl"]
SOLVERS = [
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "DDIMScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
    "LCMScheduler",
]
MOST_ROWS = 8
ASKED = PaintRequest("a red knight", "blurry", 5, 7.5, 11, 64, 96)


def stock_levels(folder: Path, solver: str, request: PaintRequest) -> Pixels:
    """Return what diffusers itself paints, in 8-bit levels."""
    return np.asarray(stock(folder, request, solver, output_type="pil"))


@cache
def denoiser_of(folder: Path, exact: bool = False) -> Denoiser:
    config = ModelConfig(str(folder), device="cpu", threads=1, exact=exact, exact_rows=MOST_ROWS)
    made = Denoiser(config)
    made.load()
    return made


@dataclass(frozen=True)
class Visit:
    """A request that joins before turn `at`, and is cancelled after `stay` steps, if given."""

    request: PaintRequest
    solver: str
    at: int = 0
    stay: int | None = None


def paint(folder: Path, visits: Sequence[Visit], exact: bool = False) -> list[Pixels | None]:
    """Paint visits with at most MOST_ROWS rows in a forward; return None for a cancelled picture."""
    denoiser = denoiser_of(folder, exact)
    here: dict[int, DiffusionPainting] = {}
    pictures: list[Pixels | None] = [None] * len(visits)
    turn = 0
    while here or turn <= max(visit.at for visit in visits):
        for number, visit in enumerate(visits):
            if visit.at == turn:
                denoiser._pipeline.scheduler = solver_of(folder, visit.solver)
                here[number] = denoiser.begin(visit.request)
        together, rows = [], 0
        for painting in here.values():
            if rows + painting.rows <= MOST_ROWS:
                together.append(painting)
                rows += painting.rows
        if together:
            denoiser.step(together)
        for number, painting in list(here.items()):
            assert painting.fault is None
            if painting.done == painting.steps:
                [pictures[number]] = denoiser.decode([here.pop(number)])
            elif visits[number].stay is not None and painting.done >= visits[number].stay:
                del here[number]
        turn += 1
    return pictures


def alone(folder: Path, solver: str, request: PaintRequest, exact: bool = False) -> Pixels:
    [picture] = paint(folder, [Visit(request, solver)], exact)
    assert picture is not None
    return picture


def levels_apart(one: Pixels | None, other: Pixels | None) -> int:
    assert one is not None and other is not None
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_alone_it_is_the_stock_pipelines_picture(
    family: str, solver: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(family)
    assert np.array_equal(alone(folder, solver, ASKED), stock_levels(folder, solver, ASKED))


@pytest.mark.parametrize(
    "changes",
    [{"guidance_scale": 1.0}, {"negative_prompt": ""}, {"negative_prompt": None}, {"seed": 2**53 - 1}],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_so_it_is_for_every_request(
    family: str, changes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(family)
    requested = replace(ASKED, **changes)
    solver = "DPMSolverMultistepScheduler"
    assert np.array_equal(alone(folder, solver, requested), stock_levels(folder, solver, requested))


@pytest.mark.parametrize("zeros", [True, False])
def test_an_xl_without_a_negative_prompt_reads_zeros_where_the_model_says_so(
    tiny_sdxl: Path, tmp_path: Path, zeros: bool
) -> None:
    folder = Path(shutil.copytree(tiny_sdxl, tmp_path / "xl"))
    index = json.loads((folder / "model_index.json").read_text()) | {"force_zeros_for_empty_prompt": zeros}
    (folder / "model_index.json").write_text(json.dumps(index))
    solver = "EulerDiscreteScheduler"
    none, empty = (alone(folder, solver, replace(ASKED, negative_prompt=negative)) for negative in (None, ""))
    assert np.array_equal(none, stock_levels(folder, solver, replace(ASKED, negative_prompt=None)))
    assert np.array_equal(empty, stock_levels(folder, solver, replace(ASKED, negative_prompt="")))
    assert np.array_equal(none, empty) == (not zeros)


@pytest.mark.parametrize("family", FAMILIES)
def test_in_a_crowd_of_all_solvers_it_is_the_same_within_a_level(
    family: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(family)
    visits = [
        Visit(replace(ASKED, seed=number, num_inference_steps=4 + number % 3), solver, at=number % 3)
        for number, solver in enumerate(SOLVERS)
    ]
    gone = Visit(replace(ASKED, seed=99, num_inference_steps=9), SOLVERS[0], stay=2)
    for visit, picture in zip(visits, paint(folder, [gone, *visits])[1:], strict=True):
        assert levels_apart(picture, stock_levels(folder, visit.solver, visit.request)) <= 1


@pytest.mark.parametrize(
    "changes",
    [
        {"guidance_scale": 8.0},
        {"num_inference_steps": 6},
        {"prompt": "a castle"},
        {"negative_prompt": "hats"},
        {"seed": 12},
    ],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_level_is_small_enough_to_distinguish_requests(
    family: str, changes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """Negative control: any parameter that leaked between peers would be noticed."""
    folder = request.getfixturevalue(family)
    solver = "DPMSolverMultistepScheduler"
    other = replace(ASKED, **changes)
    assert levels_apart(alone(folder, solver, ASKED), alone(folder, solver, other)) > 1


crowds = some.lists(
    some.builds(
        Visit,
        some.builds(
            lambda steps, guidance, seed: replace(
                ASKED, num_inference_steps=steps, guidance_scale=guidance, seed=seed
            ),
            some.integers(2, 6),
            some.sampled_from([1.0, 3.0, 7.5, 12.0]),
            some.integers(0, 5),
        ),
        some.sampled_from(SOLVERS),
        some.integers(0, 4),
        some.none() | some.integers(1, 3),
    ),
    min_size=1,
    max_size=5,
)
SUBJECT = Visit(ASKED, "DPMSolverMultistepScheduler", at=1)
few = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@few
@given(peers=crowds)
def test_random_peers_change_nothing(tiny_sd1: Path, peers: list[Visit]) -> None:
    for visit, picture in zip([SUBJECT, *peers], paint(tiny_sd1, [SUBJECT, *peers]), strict=True):
        if picture is not None:
            assert levels_apart(picture, stock_levels(tiny_sd1, visit.solver, visit.request)) <= 1


@few
@given(peers=crowds, before=some.booleans())
def test_with_fixed_rows_not_one_bit_depends_on_the_peers(
    tiny_sd1: Path, peers: list[Visit], before: bool
) -> None:
    crowd = [*peers, SUBJECT] if before else [SUBJECT, *peers]
    picture = paint(tiny_sd1, crowd, exact=True)[crowd.index(SUBJECT)]
    assert picture is not None
    assert np.array_equal(picture, alone(tiny_sd1, SUBJECT.solver, SUBJECT.request, exact=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_with_fixed_rows_the_pictures_are_the_stock_pipelines_within_a_level(
    family: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(family)
    painted = alone(folder, SUBJECT.solver, ASKED, exact=True)
    assert levels_apart(painted, stock_levels(folder, SUBJECT.solver, ASKED)) <= 1


@pytest.mark.parametrize("exact", [False, True])
async def test_through_the_engine_nothing_is_different(
    tiny_sd1: Path, make_job: Callable[..., LayerJob], exact: bool
) -> None:
    """Submit jobs of two sizes at once, one of which is cancelled."""
    denoiser = Denoiser(ModelConfig(str(tiny_sd1), device="cpu", threads=1, exact=exact))
    engine = Engine(
        denoiser, lambda pixels: None, lambda job: np.zeros((1, 1, 3), np.uint8), GenerationConfig()
    )
    engine.start()
    jobs = [
        make_job(seed=seed, num_inference_steps=2 + seed, guidance_scale=guidance, width_px=width)
        for seed, (guidance, width) in enumerate([(7.5, 64), (1.0, 64), (3.0, 128), (7.5, 64), (12.0, 64)])
    ]

    async def result(job: LayerJob) -> LayerResult:
        async for event in engine.submit(job, "a red knight", "blurry"):
            if isinstance(event, LayerResult):
                return event
        raise AssertionError("no result")

    leaving = engine.submit(make_job(seed=99, num_inference_steps=40), "a witch", "")
    first = asyncio.ensure_future(anext(leaving))
    results = asyncio.gather(*map(result, jobs))
    await first
    await leaving.aclose()
    solver = "PNDMScheduler"
    for job, painted in zip(jobs, await results, strict=True):
        requested = replace(
            ASKED,
            seed=job.seed,
            num_inference_steps=job.num_inference_steps,
            guidance_scale=job.guidance_scale,
            width_px=job.width_px,
        )
        assert painted.degraded == ()
        assert levels_apart(painted.pixels, stock_levels(tiny_sd1, solver, requested)) <= 1
        if exact:
            assert np.array_equal(painted.pixels, alone(tiny_sd1, solver, requested, exact=True))
