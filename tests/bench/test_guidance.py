"""Run a small benchmark of cached guidance: check that it reports figures, not which."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import guidance
from bench.guidance import PROMPTS, WAYS, main
from deployments.diffusion.model.known_words import read_known_words, unknown_words
from deployments.diffusion.model.registry import locate
from deployments.messages import LayerKind


def test_each_way_has_its_speed_and_its_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, ways = tmp_path / "performance.md", (WAYS[0], WAYS[1], WAYS[-1])
    page.write_text("<!-- guidance-background: begin -->\n<!-- guidance-background: end -->\n")
    small = ["--prompts", "2", "--steps", "6", "--size", "64", "--only", "background"]
    monkeypatch.setattr(guidance, "WAYS", ways)
    monkeypatch.setattr(sys, "argv", ["scripts/bench guidance", *small, "--docs", str(tmp_path)])
    main()
    lines = [line for line in page.read_text().splitlines() if line.startswith(("| exact", "| `"))]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in rows] == [*(way.name for way in ways), "exact, another prompt and seed"]
    exact, cached, again, other = (float(row[3]) for row in rows)
    assert exact == again == 0 < cached < other


@pytest.mark.parametrize("kind", PROMPTS)
def test_the_prompts_are_a_dozen_of_words_that_the_models_know(kind: LayerKind) -> None:
    known = read_known_words(locate(f"storybook-{kind}"))
    assert known is not None and len(set(PROMPTS[kind])) >= 12
    assert [unknown_words(words, known) for words in PROMPTS[kind]] == [[]] * len(PROMPTS[kind])
