from __future__ import annotations

from collections.abc import Callable

import pytest

from deployments.background import BACKGROUND_NEGATIVE, Background, background_prompt
from deployments.generator import GeneratorConfig
from deployments.messages import LayerJob

MakeJob = Callable[..., LayerJob]


@pytest.fixture
def background(simulated: GeneratorConfig) -> Background:
    return Background(simulated)


def test_words_become_a_prompt(background: Background, make_job: MakeJob) -> None:
    job = make_job(kind="background", prompt="a castle")
    assert background.prompts(job) == (background_prompt("a castle"), BACKGROUND_NEGATIVE)


def test_untouched_words_stay_untouched(background: Background, make_job: MakeJob) -> None:
    job = make_job(kind="background", prompt="a castle", enhance_prompt=False, negative_prompt="")
    assert background.prompts(job) == ("a castle", "")
