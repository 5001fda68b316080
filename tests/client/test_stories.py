"""Parse story files, with the same cases as the page's parser (tests/browser/test_story.py)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scenewright import description_seed, read_story, story_requests
from scenewright.stories import MAX_SCENES
from serve.jobs import job_schema

REPOSITORY = Path(__file__).parents[2]
CASES = json.loads((REPOSITORY / "tests/story_cases.json").read_text())


@pytest.mark.parametrize("case", CASES["read"], ids=lambda case: case["text"])
def test_a_story_is_read(case: dict[str, Any]) -> None:
    scenes = [[scene.character, scene.background, scene.words] for scene in read_story(case["text"])]
    assert scenes == case["scenes"]


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["text"])
def test_the_line_at_fault_is_named(case: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(case['message'])}$"):
        read_story(case["text"])


def test_a_story_has_as_many_scenes_as_a_job() -> None:
    assert job_schema.MAX_SCENES == MAX_SCENES
    assert len(read_story("a | b\n" * MAX_SCENES)) == MAX_SCENES
    with pytest.raises(ValueError, match="line 1001 is one scene too many"):
        read_story("a | b\n" * (MAX_SCENES + 1))


@pytest.mark.parametrize("case", CASES["seeds"], ids=lambda case: case["description"])
def test_a_description_has_its_seed(case: dict[str, Any]) -> None:
    expected = CASES["seeds"][case["same_as"]] if "same_as" in case else case
    assert description_seed(case["layer"], case["description"], expected["story_seed"]) == expected["seed"]


def test_the_hero_of_the_example_stays_the_hero() -> None:
    scenes = story_requests(read_story((REPOSITORY / "examples/story.txt").read_text()))
    seeds = [scene["character"]["seed"] for scene in scenes]
    knight, pirate, wizard = seeds[0], seeds[2], seeds[4]
    assert seeds == [knight, knight, pirate, knight, wizard, wizard]
    assert len({knight, pirate, wizard}) == 3
    assert seeds != [
        scene["character"]["seed"]
        for scene in story_requests(read_story((REPOSITORY / "examples/story.txt").read_text()), 7)
    ]
