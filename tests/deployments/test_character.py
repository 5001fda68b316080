from __future__ import annotations

from collections.abc import Callable

import pytest

from deployments.character import CHARACTER_NEGATIVE, Character, character_prompt
from deployments.generator import GeneratorConfig
from deployments.messages import LayerJob

MakeJob = Callable[..., LayerJob]


@pytest.fixture
def character(simulated: GeneratorConfig) -> Character:
    return Character(simulated)


def test_words_become_a_prompt(character: Character, make_job: MakeJob) -> None:
    assert character.prompts(make_job()) == (character_prompt("a knight"), CHARACTER_NEGATIVE)


def test_a_plain_backdrop_is_requested_from_the_model(character: Character, make_job: MakeJob) -> None:
    prompt, _ = character.prompts(make_job(plain_backdrop=True))
    assert prompt.endswith("full body, plain light gray studio background")


def test_untouched_words_stay_untouched(character: Character, make_job: MakeJob) -> None:
    job = make_job(prompt="  a knight ", enhance_prompt=False, plain_backdrop=True)
    assert character.prompts(job)[0] == "  a knight "


@pytest.mark.parametrize("words", ["hats", ""])
def test_the_callers_negative_prompt_takes_the_defaults_place(
    character: Character, make_job: MakeJob, words: str
) -> None:
    assert character.prompts(make_job(negative_prompt=words))[1] == words
