from __future__ import annotations

import pytest

from bench.stories import FIGURES, PAGES, PAIRS, STEPS, config, of_linear, story
from serve.stories.story_schema import StoryRequest


def test_linear_is_so_many_times_the_speed_of_one_pair() -> None:
    assert of_linear({1: 80.0, 2: 40.0, 4: 25.0}) == pytest.approx({1: 1.0, 2: 1.0, 4: 0.8})


def test_no_layer_of_the_story_is_painted_for_another() -> None:
    made = StoryRequest.model_validate(story(PAGES, STEPS, "measured"))
    layers = [layer for page in made.pages for layer in (*page.characters, page.background)]
    words = {layer if isinstance(layer, str) else layer.prompt for layer in layers}
    assert len(words) == len(layers) == PAGES * (FIGURES + 1)


@pytest.mark.parametrize("pairs", PAIRS)
def test_a_service_has_so_many_pairs_and_keeps_no_layer(pairs: int) -> None:
    made = config(pairs, "state")
    for kind in ("character", "background"):
        settings = made.generators[kind]
        assert settings.replicas.num_replicas == pairs
        assert settings.generator.generation.result_cache_bytes == 0
    assert made.jobs.concurrency == PAGES
