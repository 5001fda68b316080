"""A page whose hero is another is painted again, the best is kept, and a miss is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from deployments.errors import GenerationFailed
from serve.api.resolve import admit_scene
from serve.api.schema import SceneRequest
from serve.graph.scene_job import SceneJob
from serve.jobs.consistency import consistent
from serve.jobs.states import NewScene
from serve.jobs.store import JobStore
from serve.state.tables import stories
from tests.support.local_service import simulated_config

SEED = 7


@dataclass(frozen=True)
class Painted:
    """As much of a scene's result as is looked at."""

    consistency: dict[str, float]
    seeds: tuple[int, ...] = ()


def a_job() -> SceneJob:
    figures = [{"prompt": "mira", "seed": SEED}, {"prompt": "a wolf", "seed": 8}]
    request = SceneRequest.model_validate({"characters": figures, "background": {"prompt": "a", "seed": 9}})
    return admit_scene(request, simulated_config(), "id", None)


async def painted(
    engine: Engine, story: bool, *found: float | Exception, least: float = 0.6
) -> tuple[Any, list[str], list[SceneJob]]:
    """Paint a page whose hero is so consistent, one attempt after the other."""
    job_id = JobStore(engine).submit("0" * 32, "", [NewScene("{}", 60.0)])
    if story:
        row = {"job_id": job_id, "owner": "", "created_at": 0.0, "body": "", "bytes": 0}
        with engine.begin() as connection:
            connection.execute(insert(stories).values(**row, consistency_min=least))
    jobs: list[SceneJob] = []
    attempts = iter(found)

    async def paint(job: SceneJob) -> Any:
        jobs.append(job)
        value = next(attempts)
        if isinstance(value, Exception):
            raise value
        return Painted({"characters.0": value}, tuple(layer.seed for layer in job.layers))

    first = await paint(a_job())
    best, missed = await consistent(engine, job_id, a_job(), first, paint)
    return best, missed, jobs


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
    assert len({each[0] for each in seeds}) == attempts, "the hero's seed is another each time"
    assert all(each[1:] == [8, 9] for each in seeds), "others are painted as before"


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
