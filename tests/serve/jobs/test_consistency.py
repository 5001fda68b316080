"""A page whose hero looks different is painted again, the best attempt is kept, and a miss is declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from deployments.errors import GenerationFailed
from deployments.messages import LayerJob, LayerResult, LayerTimings
from serve.api.resolve import admit_scene
from serve.api.scene_schema import SceneRequest
from serve.graph.scene_job import SceneJob, SceneResult
from serve.jobs.consistency import consistent
from serve.jobs.job_store import JobStore
from serve.jobs.states import NewScene
from serve.state.job_tables import stories
from tests.support.local_service import simulated_config

SEED = 7


Found = float | str | None
"""A figure's consistency: a string is how it was degraded, None means not measured."""


def a_job() -> SceneJob:
    figures = [{"prompt": "mira", "seed": SEED}, {"prompt": "a wolf", "seed": 8}]
    request = SceneRequest.model_validate({"characters": figures, "background": {"prompt": "a", "seed": 9}})
    return admit_scene(request, simulated_config(), "id", None)


def a_scene(job: SceneJob, found: Sequence[Found]) -> SceneResult:
    """Return a job's painted scene, whose figures have these consistencies."""

    def layer(job: LayerJob, each: Found) -> LayerResult:
        degraded = (each,) if isinstance(each, str) else ()
        value = 0.0 if isinstance(each, str) else each
        timings = LayerTimings(0.0, 0.0, 0.0, 0.0)
        pixels: Any = None
        return LayerResult(
            job.kind, pixels, job.seed, "m", "simulated", timings, degraded=degraded, consistency=value
        )

    merged: Any = None
    figures = [layer(each, value) for each, value in zip(job.figures, found, strict=True)]
    return SceneResult(None, layer(job.background, None), merged, tuple(figures))


async def painted(
    engine: Engine, story: bool, *found: Sequence[Found] | float | Exception, least: float = 0.6
) -> tuple[SceneResult, list[str], list[SceneJob]]:
    """Paint a page; `found` has the heroes' consistencies per attempt, a number that of the first hero."""
    job_id = JobStore(engine).submit("0" * 32, "", [NewScene("{}", 60.0)])
    if story:
        row = {"job_id": job_id, "owner": "", "created_at": 0.0, "body": "", "bytes": 0}
        with engine.begin() as connection:
            connection.execute(insert(stories).values(**row, consistency_min=least))
    jobs: list[SceneJob] = []
    attempts = iter(found)

    async def paint(job: SceneJob) -> SceneResult:
        jobs.append(job)
        value = next(attempts)
        if isinstance(value, Exception):
            raise value
        return a_scene(job, (value, None) if isinstance(value, float) else value)

    first = await paint(a_job())
    best, missed = await consistent(engine, job_id, a_job(), first, paint)
    return best, missed, jobs


def seeds_of(layers: Sequence[LayerJob] | Sequence[LayerResult]) -> list[int]:
    return [layer.seed for layer in layers]


@pytest.mark.parametrize(
    ("found", "attempts", "best", "missed"),
    [
        ([0.7], 1, 0.7, []),
        ([0.2, 0.8], 2, 0.8, []),
        ([0.2, 0.1, 0.3, 0.25], 4, 0.3, ["characters.0: inconsistent"]),
        ([0.2, 0.5, GenerationFailed("no")], 3, 0.5, ["characters.0: inconsistent"]),
    ],
)
async def test_the_best_is_kept(
    engine: Engine, found: list[float | Exception], attempts: int, best: float, missed: list[str]
) -> None:
    kept, declared, jobs = await painted(engine, True, *found)
    assert (kept.consistency["characters.0"], declared, len(jobs)) == (best, missed, attempts)
    seeds = [[layer.seed for layer in job.layers] for job in jobs]
    assert len({each[0] for each in seeds}) == attempts, "the hero's seed differs in each attempt"
    assert all(each[1:] == [8, 9] for each in seeds), "other layers are painted as before"


async def test_a_hero_that_has_become_right_stays(engine: Engine) -> None:
    """Each further attempt starts from the best one: only heroes that are still wrong are repainted."""
    found = [(0.3, 0.4), (0.9, 0.45), (0.9, 0.2), (0.9, 0.8)]
    kept, declared, jobs = await painted(engine, True, *found)
    assert (list(kept.consistency.values()), declared, len(jobs)) == ([0.9, 0.8], [], 4)
    seeds = [seeds_of(job.layers) for job in jobs]
    assert seeds[1][0] != SEED and {each[0] for each in seeds[1:]} == {seeds[1][0]}
    assert len({each[1] for each in seeds}) == 4, "a wrong hero has a new seed each time"
    assert seeds_of(kept.layers) == seeds[3]


async def test_one_more_hero_that_is_right_counts_more_than_the_worst(engine: Engine) -> None:
    kept, declared, jobs = await painted(engine, True, (0.3, 0.4), (0.25, 0.9), (0.7, 0.9))
    assert (list(kept.consistency.values()), declared) == ([0.7, 0.9], [])
    assert jobs[2].layers[1].seed == jobs[1].layers[1].seed


async def test_the_best_is_kept_with_its_own_layers(engine: Engine) -> None:
    kept, declared, jobs = await painted(engine, True, (0.3, 0.9), (0.5, 0.9), (0.4, 0.9), (0.2, 0.9))
    assert (list(kept.consistency.values()), declared) == ([0.5, 0.9], ["characters.0: inconsistent"])
    assert seeds_of(kept.layers) == seeds_of(jobs[1].layers)


async def test_a_placeholder_is_not_painted_again_nor_kept_for_a_picture(engine: Engine) -> None:
    kept, declared, jobs = await painted(engine, True, ("placeholder", 0.9))
    assert (kept.figures[0].degraded, declared, len(jobs)) == (("placeholder",), [], 1)
    with engine.begin() as connection:
        connection.execute(stories.delete())
    JobStore(engine).remove("", "0" * 32)
    found: list[tuple[Found, Found]] = [(0.3, 0.4), (0.9, "placeholder"), (0.9, None), (0.5, 0.5)]
    kept, declared, _ = await painted(engine, True, *found)
    assert list(kept.consistency.values()) == [0.5, 0.5]
    assert declared == ["characters.0: inconsistent", "characters.1: inconsistent"]


async def test_any_later_run_has_the_same_seeds(engine: Engine) -> None:
    one = await painted(engine, True, 0.1, 0.1, 0.1, 0.1)
    with engine.begin() as connection:
        connection.execute(stories.delete())
    JobStore(engine).remove("", "0" * 32)
    two = await painted(engine, True, 0.1, 0.1, 0.1, 0.1)
    assert [job.layers[0].seed for job in one[2]] == [job.layers[0].seed for job in two[2]]


async def test_a_job_that_is_no_story_is_left_alone(engine: Engine) -> None:
    kept, declared, jobs = await painted(engine, False, 0.1)
    assert (kept.consistency, declared, len(jobs)) == ({"characters.0": 0.1}, [], 1)
