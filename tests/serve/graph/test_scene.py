from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ray.exceptions import ObjectLostError
from ray.serve.exceptions import BackPressureError, RayServeException

from deployments.errors import DeadlineExceeded, GenerationFailed, NotReady, Overloaded
from deployments.messages import LayerJob, OutputOptions
from serve.graph import other_renders, scene
from serve.graph.scene_job import SceneJob
from tests.support.fake_handles import NEVER, Fakes, Method, died

# The fakes return strings in place of pictures.
render: Any = scene.render
render_layer: Any = other_renders.render_layer


def lost() -> ObjectLostError:
    return ObjectLostError("00", None, "")


async def test_both_are_painted_and_their_responses_are_merged(job: SceneJob) -> None:
    fakes = Fakes()
    result = await render(fakes.graph, job)
    assert (result.character, result.background, result.merged) == ("C", "B", "M")
    assert (fakes.character.calls, fakes.background.calls) == ([(job.character,)], [(job.background,)])
    responses = (fakes.character.responses[0], fakes.background.responses[0])
    assert fakes.merge.calls == [(job.merge, *responses)], "the responses, not their pixels"


@pytest.mark.parametrize("failing", ["character", "background"])
async def test_the_first_failure_is_reported_at_once_and_stops_the_other(job: SceneJob, failing: str) -> None:
    other = "background" if failing == "character" else "character"
    fakes = Fakes(**{failing: (NotReady("loading"),), other: (NEVER,)})
    with pytest.raises(NotReady, match="loading"):
        await asyncio.wait_for(render(fakes.graph, job), 10)
    assert getattr(fakes, other).responses[0].cancelled
    assert fakes.merge.calls == []


async def test_a_lost_replica_repaints_its_branch_alone(job: SceneJob) -> None:
    fakes = Fakes(character=(died(), died(), "C"))
    assert (await render(fakes.graph, job)).character == "C"
    assert fakes.character.calls == [(job.character,)] * 3, "the same job with the same seed"
    assert len(fakes.background.calls) == 1
    assert fakes.merge.calls[0][1] is fakes.character.responses[2]


class Refused:
    """A pool of replicas that loses one with each refusal."""

    def __init__(self, replicas: int) -> None:
        self.left, self.jobs = replicas, list[LayerJob]()

    def was_sent(self, job: LayerJob) -> bool:
        return True

    def refused(self, job: LayerJob) -> bool:
        self.left -= 1
        self.jobs.append(job)
        return self.left > 0

    def routing_stats(self) -> list[None]:
        return []

    waiting = Counter

    def is_cached(self, job: LayerJob) -> bool:
        return False


async def test_a_replica_that_is_not_ready_sends_nobody_away_while_another_is(job: SceneJob) -> None:
    replicas: Any = Refused(3)
    fakes = Fakes(character=(NotReady("unet is missing"), NotReady("unet is missing"), "C"))
    graph = replace(fakes.graph, replicas=lambda kind: replicas if kind == "character" else None)
    assert (await render(graph, job)).character == "C"
    assert replicas.jobs == [job.character] * 2
    assert len(fakes.background.calls) == 1


async def test_where_no_replica_is_ready_the_reason_is_reported(job: SceneJob) -> None:
    replicas: Any = Refused(2)
    fakes = Fakes(character=(NotReady("unet is missing"),), background=(NEVER,))
    graph = replace(fakes.graph, replicas=lambda kind: replicas if kind == "character" else None)
    with pytest.raises(NotReady, match="unet is missing"):
        await render(graph, job)
    assert len(fakes.character.calls) == 2


async def test_three_losses_are_enough(job: SceneJob) -> None:
    fakes = Fakes(background=(died(),), character=(NEVER,))
    with pytest.raises(GenerationFailed):
        await render(fakes.graph, job)
    assert len(fakes.background.calls) == 3
    assert fakes.character.responses[0].cancelled


async def test_a_lost_merger_merges_again_without_repainting(job: SceneJob) -> None:
    fakes = Fakes(merge=(died(), "M"))
    assert (await render(fakes.graph, job)).merged == "M"
    assert [len(method.calls) for method in (fakes.character, fakes.background, fakes.merge)] == [1, 1, 2]
    assert fakes.merge.calls[0] == fakes.merge.calls[1]


@pytest.mark.parametrize("error", [lost, lambda: RayServeException("a response is gone")])
async def test_lost_pixels_are_painted_again(job: SceneJob, error: Callable[[], Exception]) -> None:
    fakes = Fakes(merge=(error(), "M"))
    assert (await render(fakes.graph, job)).merged == "M"
    assert fakes.character.calls == [(job.character,)] * 2
    fakes = Fakes(merge=(error(),))
    with pytest.raises(GenerationFailed):
        await render(fakes.graph, job)


@pytest.mark.parametrize("where", ["character", "merge"])
async def test_full_queues_are_overload(job: SceneJob, where: str) -> None:
    fakes = Fakes(**{where: (BackPressureError(1, 1),)})
    with pytest.raises(Overloaded) as raised:
        await render(fakes.graph, job)
    assert raised.value.retry_after_s is not None
    assert len(getattr(fakes, where).calls) == 1


@pytest.mark.parametrize("slow", ["character", "merge"])
async def test_a_deadline_holds_over_all_of_it(job: SceneJob, slow: str) -> None:
    fakes = Fakes(**{slow: (NEVER,)})
    with pytest.raises(DeadlineExceeded):
        await render(fakes.graph, replace(job, deadline_at=time.monotonic() + 0.1))
    assert getattr(fakes, slow).responses[0].cancelled


async def test_a_deadline_in_the_past(job: SceneJob) -> None:
    fakes = Fakes(character=(NEVER,), background=(NEVER,))
    with pytest.raises(DeadlineExceeded):
        await render(fakes.graph, replace(job, deadline_at=time.monotonic() - 5))
    assert fakes.merge.calls == []


async def test_cancelling_a_scene_cancels_both_branches(job: SceneJob) -> None:
    fakes = Fakes(character=(NEVER,), background=(NEVER,))
    rendering = asyncio.create_task(render(fakes.graph, job))
    while not (fakes.character.responses and fakes.background.responses):
        await asyncio.sleep(0)
    rendering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rendering
    assert fakes.character.responses[0].cancelled
    assert fakes.background.responses[0].cancelled


async def test_a_layer_alone_is_encoded_by_the_merger(job: SceneJob) -> None:
    fakes = Fakes(background=(died(), "B"))
    assert await render_layer(fakes.graph, job.background, OutputOptions("png")) == ("B", "file")
    assert fakes.encode.calls == [(OutputOptions("png"), fakes.background.responses[1], "")]
    assert fakes.character.calls == []


async def test_several_characters_are_painted_together_and_merged_by_their_responses(job: SceneJob) -> None:
    assert job.character is not None
    figures = tuple(replace(job.character, seed=seed, figure=seed) for seed in range(3))
    several = replace(job, character=None, characters=figures)
    fakes = Fakes(character=("C0", "C1", "C2"))
    group = Method("M")
    fakes.graph.merger.merge_group = group
    result = await render(fakes.graph, several)
    assert (result.character, result.characters, result.background) == (None, ("C0", "C1", "C2"), "B")
    assert fakes.character.calls == [(each,) for each in figures]
    place, *their = (*fakes.background.responses, *fakes.character.responses)
    assert group.calls == [(job.merge, place, *their)], "the responses, not their pixels"
    assert fakes.merge.calls == []


async def test_one_figure_that_fails_stops_all_others(job: SceneJob) -> None:
    assert job.character is not None
    figures = tuple(replace(job.character, seed=seed, figure=seed) for seed in range(3))
    fakes = Fakes(character=(NEVER, NotReady("loading"), NEVER), background=(NEVER,))
    with pytest.raises(NotReady, match="loading"):
        await asyncio.wait_for(render(fakes.graph, replace(job, character=None, characters=figures)), 10)
    responses = [*fakes.character.responses, *fakes.background.responses]
    assert [response.cancelled for response in responses if response.outcome == NEVER] == [True] * 3
