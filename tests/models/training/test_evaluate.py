"""The parts of the evaluation, with the renderer instead of a model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from deployments.background import BACKGROUND_NEGATIVE, BACKGROUND_TERMS
from deployments.character import CHARACTER_NEGATIVE, CHARACTER_TERMS, PLAIN_BACKDROP_TERMS
from models.training import evaluate, model_card
from models.training.evaluation import classifier
from models.training.evaluation.garment_color import garment_color
from models.training.evaluation.held_out_prompts import HeldOutPrompt, held_out_prompts
from models.training.evaluation.measures import difference
from models.training.figures.draw_figure import draw_figure, sample_figure
from models.training.figures.figure_spec import COLORS, EXPRESSIONS, POSES
from models.training.places.draw_place import draw_place, sample_place
from models.training.subjects import SUBJECTS


def render(prompts: list[HeldOutPrompt], seeds: list[int]) -> list[Image.Image]:
    """Act as a model that makes no mistakes; the seed changes its pictures a little."""
    if hasattr(prompts[0].spec, "garment_color"):
        moved = [
            dataclasses.replace(p.spec, pose=POSES[seed % 2], expression=EXPRESSIONS[seed // 900_000])
            for p, seed in zip(prompts, seeds, strict=True)
        ]
        return [draw_figure(spec) for spec in moved]
    moved = [dataclasses.replace(p.spec, seed=seed) for p, seed in zip(prompts, seeds, strict=True)]
    return [draw_place(spec, 256, 192) for spec in moved]


@pytest.mark.parametrize("color", COLORS)
def test_a_garments_color_is_read_off_sharp_and_soft_pictures(color: str) -> None:
    rng = random.Random(color)
    for _ in range(3):
        picture = draw_figure(dataclasses.replace(sample_figure(rng), garment_color=color))
        assert garment_color(picture) == color
        assert garment_color(picture.filter(ImageFilter.GaussianBlur(4))) == color
        assert garment_color(picture.resize((192, 256))) == color


def test_an_empty_picture_has_some_color_and_no_crash() -> None:
    assert garment_color(Image.new("RGB", (384, 512), (230, 228, 224))) in COLORS


def test_the_shipped_classifier_distinguishes_fresh_places() -> None:
    network, rng = classifier.load(), random.Random(77)
    places = [sample_place(rng) for _ in range(40)]
    seen = classifier.classify(network, [draw_place(place, 512, 384) for place in places])
    right = [
        (reported.kind, reported.time) == (place.kind, place.time)
        for reported, place in zip(seen, places, strict=True)
    ]
    assert sum(right) >= 37


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_prompts_are_held_out_different_and_repeatable(name: str) -> None:
    prompts = held_out_prompts(name)
    assert len({requested.prompt for requested in prompts}) == 240
    assert all(SUBJECTS[name].held_out(requested.spec) for requested in prompts)
    assert held_out_prompts(name, 36) == held_out_prompts(name, 36) != held_out_prompts(name, 36, seed=1)


def test_character_prompts_are_the_services_and_name_what_is_measured() -> None:
    prompts = held_out_prompts("character", 60)
    for requested in prompts:
        description, _, terms = requested.prompt.partition(f", {CHARACTER_TERMS}")
        assert terms in ("", f", {PLAIN_BACKDROP_TERMS}")
        assert f"{requested.spec.garment_color} {requested.spec.garment}" in description
        assert requested.spec.role in description
        assert requested.negative_prompt == CHARACTER_NEGATIVE
    assert sum(requested.prompt.endswith(PLAIN_BACKDROP_TERMS) for requested in prompts) == 30
    assert set(Counter(requested.spec.garment_color for requested in prompts).values()) == {5}


def test_background_prompts_are_the_services_and_name_what_is_measured() -> None:
    for requested in held_out_prompts("background", 60):
        assert requested.prompt.startswith("beautiful detailed ")
        assert requested.prompt.endswith(BACKGROUND_TERMS)
        assert requested.spec.kind in requested.prompt
        assert requested.negative_prompt == BACKGROUND_NEGATIVE


def test_more_prompts_than_there_are_is_an_error_and_not_a_hang() -> None:
    with pytest.raises(ValueError, match="different prompts"):
        held_out_prompts("background", 5_000)


def test_difference_is_nothing_for_the_same_and_all_for_black_and_white() -> None:
    black, white = (Image.new("RGB", (8, 8), (level,) * 3) for level in (0, 255))
    assert difference(black, black) == (0.0, 0.0)
    assert difference(black, white) == (255.0, 1.0)


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_a_faultless_model_scores_in_full(name: str, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.jpg"
    report = evaluate.evaluate(name, render, held_out_prompts(name, 12), batch=5, sheet=sheet)
    for part in report["adherence"].values():
        assert part["share"] == 1
        assert sum(value["of"] for value in part["by_value"].values()) == 12
    assert report["misses"] == []
    assert all(level["ratio"] < 1.5 for level in report["sliced_wasserstein"].values())
    assert report["seeds"]["same_seed_max_levels"] == 0
    assert report["seeds"]["other_seed_mean_levels"] > 0
    assert sheet.stat().st_size <= 400_000
    with Image.open(sheet) as drawn:
        assert drawn.width > 1_000


def test_blurred_places_score_low(tmp_path: Path) -> None:
    def blur(prompts: list[HeldOutPrompt], seeds: list[int]) -> list[Image.Image]:
        return [picture.filter(ImageFilter.GaussianBlur(16)) for picture in render(prompts, seeds)]

    prompts = held_out_prompts("background", 12)
    report = evaluate.evaluate("background", blur, prompts, 6, tmp_path / "sheet.jpg")
    assert report["adherence"]["kind"]["share"] <= 0.1
    assert {miss["seen"]["kind"] for miss in report["misses"]} >= {classifier.NO_PLACE}
    finest = max(report["sliced_wasserstein"].values(), key=lambda level: level["ratio"])
    assert finest["ratio"] > 3


def test_a_model_that_ignores_its_prompt_scores_low(tmp_path: Path) -> None:
    always = draw_figure(dataclasses.replace(sample_figure(random.Random(1)), garment_color="blue"))
    prompts = held_out_prompts("character", 12)
    report = evaluate.evaluate(
        "character", lambda requested, seeds: [always for _ in requested], prompts, 8, tmp_path / "sheet.jpg"
    )
    assert report["adherence"]["garment_color"]["share"] == pytest.approx(1 / 12, abs=1e-3)
    assert len(report["misses"]) == 11


@pytest.mark.parametrize(("name", "judge"), [("character", "garment"), ("background", "place")])
def test_the_card_and_checksums_are_written_from_an_evaluation(name: str, judge: str, tmp_path: Path) -> None:
    measured = evaluate.evaluate(name, render, held_out_prompts(name, 4), 4, tmp_path / "sheet.jpg")
    settings = {"subject": name, "prompts": 4, "steps": 20, "guidance_scale": 7.5, "threads": 1}
    judges = {"judge_accuracy": json.loads(evaluate.JUDGES.read_text())[judge]}
    (tmp_path / "evaluation.json").write_text(json.dumps({**settings, **judges, **measured}))
    (tmp_path / "unet").mkdir()
    weights = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(b"weights")
    card = model_card.write_card(tmp_path).read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: apache-2.0")
    assert "| 100% |" in card
    assert "the same picture, to the pixel" in card
    assert "sliced Wasserstein distance" in card
    assert not any(brace in card for brace in "{}")
    sums = model_card.write_checksums(tmp_path).read_text(encoding="utf-8")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert sums == f"{digest}  unet/diffusion_pytorch_model.safetensors\n"
