"""Scenes as jobs store them: with one character or several, and as an earlier version stored them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from deployments.errors import InvalidRequest
from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig
from serve.jobs.scene_jobs import admit_all, ready_to_paint
from serve.jobs.states import NewScene

BUNDLED = ServiceConfig()


def kept(*scenes: dict[str, Any]) -> list[NewScene]:
    requests = [SceneRequest.model_validate({"background": "a castle", **scene}) for scene in scenes]
    return admit_all(requests, "job", BUNDLED, "somebody")


def test_several_characters_are_kept_with_their_seeds_and_places() -> None:
    (scene,) = kept({"characters": ["a", {"prompt": "b", "position": {"x": 0.3}, "depth": 2}]})
    job = ready_to_paint(scene.job, 60, BUNDLED)
    assert job.character is None
    assert [(each.prompt, each.figure, each.priority) for each in job.characters] == [
        ("a", 0, "batch"),
        ("b", 1, "batch"),
    ]
    assert len({each.seed for each in job.characters}) == 2
    assert [(each.position, each.depth) for each in job.merge.figures] == [(None, 0.0), (0.3, 2.0)]
    assert all(59 < each.deadline_at - time.monotonic() <= 60 for each in job.layers)
    assert ready_to_paint(scene.job, 60, BUNDLED).characters[0].seed == job.characters[0].seed


def test_what_an_earlier_version_kept_is_painted_still() -> None:
    (scene,) = kept({"character": "a", "seed": 5})
    old = json.loads(scene.job)
    del old["characters"], old["character"]["figure"], old["merge"]["figures"]
    job = ready_to_paint(json.dumps(old), 60, BUNDLED)
    assert (job.figures[0].seed, job.figures[0].figure, job.characters) == (5, None, ())


def test_more_figures_are_expected_to_take_more_bytes() -> None:
    one, four = kept({"character": "a", "layers": True}, {"characters": ["a", "b", "c", "d"], "layers": True})
    assert four.picture_bytes > 1.5 * one.picture_bytes


def test_the_figure_at_fault_is_named() -> None:
    with pytest.raises(InvalidRequest) as raised:
        kept({"character": "a"}, {"characters": ["a", {"prompt": "b", "width": 70}]})
    assert raised.value.param == "scenes.1.characters.1.width"
