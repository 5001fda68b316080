"""docs/models.md agrees with the tables, and the service accepts its configurations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.diffusion.model.families import FAMILIES
from deployments.diffusion.model.family import Family
from deployments.diffusion.model.registry import KNOWN_MODELS, ModelCard
from serve.config.known_keys import check_keys
from serve.config.service_config import ServiceConfig

PAGE = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
GUIDED = {"embedded": "built in", "none": "none"}


def row_of_a_family(family: Family) -> str:
    negated = "negative prompt" if family.takes_negative_prompt else "no negative prompt"
    cells = (
        f"`{family.name}`",
        family.title,
        family.num_inference_steps,
        f"{family.guidance_scale:g}",
        GUIDED.get(family.guidance, negated),
        family.prompt_tokens,
        family.vae_factor * family.patch,
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def row_of_a_model(card: ModelCard) -> str:
    assert card.memory_gb is not None
    least, most = card.memory_gb
    cells = (
        f"`{card.id}`",
        f"`{card.family.name}`",
        card.licence,
        card.commercial_use,
        f"{least:g}–{most:g}",
    )
    return "| " + " | ".join(cells) + " |"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_page_has_each_family_as_it_is(family: Family) -> None:
    assert row_of_a_family(family) in PAGE.splitlines()


@pytest.mark.parametrize("card", KNOWN_MODELS, ids=lambda card: card.id)
def test_the_page_has_each_known_model_as_it_is(card: ModelCard) -> None:
    assert row_of_a_model(card) in PAGE.splitlines()


def test_the_page_has_no_more_rows_than_the_tables() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert len([row for row in rows if row.count("|") == 8]) == len(FAMILIES)
    assert len([row for row in rows if row.count("|") == 6]) == len(KNOWN_MODELS)
    assert f"{len(KNOWN_MODELS)} models are known by name" in PAGE


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_each_configuration_of_the_page_is_taken(block: str) -> None:
    settings: dict[str, Any] = yaml.safe_load(block)
    check_keys(settings, ServiceConfig)
    config = ServiceConfig.model_validate(settings)
    for kind, layer in settings.items():
        models = [*([layer] if "generator" in layer else []), *layer.get("models", ())]
        served = [each.generator.model.source for each in config.layers[kind].by_model.values()]
        assert served == [each["generator"]["model"]["source"] for each in models]


def test_there_is_a_configuration_for_each_case() -> None:
    assert len(BLOCKS) == 7
