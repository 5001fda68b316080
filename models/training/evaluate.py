"""Measure whether a bundled model paints its prompts: `python -m models.training.evaluate character`.

Paints prompts held out from training with the model's own pipeline and measures the pictures: the garment's
colour, or the place's kind and time of day; how far their details are from those of drawings; whether seeds
matter; how long a picture takes. Renders drawings of the same prompts only for comparison. Writes
evaluation.json beside the model, and a contact sheet into docs/pictures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from PIL import Image

import deployments.diffusion.model.patch_autoencoder  # noqa: F401 (a part of the bundled models)
from models.training.contact_sheet import Entry, draw_sheet, save_sheet
from models.training.evaluation import classifier
from models.training.evaluation.garment_color import garment_color
from models.training.evaluation.held_out_prompts import PROMPTS, HeldOutPrompt, held_out_prompts
from models.training.evaluation.measures import (
    FIRST_SEED,
    Attributes,
    Paint,
    Verdict,
    adherence,
    seed_differences,
)
from models.training.evaluation.sliced_wasserstein import distances, take_patches
from models.training.subjects import SUBJECTS

JUDGES = Path(__file__).with_name("judges.json")
SEED_PROMPTS = 10
OTHER_PROMPTS_SEED = 1
TIMED_PICTURES = 3
ON_SHEET = 24


def requested_of(prompt: HeldOutPrompt) -> Attributes:
    """Return the attributes that this prompt's picture should show."""
    spec = prompt.spec
    if hasattr(spec, "garment_color"):
        return {"garment_color": spec.garment_color}
    return _place(spec.kind, spec.time)


def build_judge(subject_name: str) -> Callable[[list[Image.Image]], list[Attributes]]:
    """Build a judge that looks only at pictures, and does not know the prompts."""
    if subject_name == "character":
        return lambda pictures: [{"garment_color": garment_color(picture)} for picture in pictures]
    network = classifier.load()
    return lambda pictures: [_place(seen.kind, seen.time) for seen in classifier.classify(network, pictures)]


def load_painter(folder: Path, steps: int, guidance: float) -> Paint:
    """Build a painter from the folder's pipeline, at the model's native size, with one seed per picture."""
    pipeline: Any = DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)

    def paint(prompts: list[HeldOutPrompt], seeds: list[int]) -> list[Image.Image]:
        images = pipeline(
            prompt=[prompt.prompt for prompt in prompts],
            negative_prompt=[prompt.negative_prompt for prompt in prompts],
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        ).images
        return list(images)

    return paint


def paint_all(
    paint: Paint, prompts: list[HeldOutPrompt], batch: int
) -> Iterator[tuple[int, list[Image.Image]]]:
    """Yield batches of pictures, each with the index of its first prompt."""
    started = time.monotonic()
    for first in range(0, len(prompts), batch):
        part = prompts[first : first + batch]
        yield first, paint(part, [FIRST_SEED + first + k for k in range(len(part))])
        print(f"painted {first + len(part)}/{len(prompts)} in {time.monotonic() - started:.0f} s", flush=True)


def distance_from_drawings(
    subject_name: str, painted: list[Image.Image], prompts: list[HeldOutPrompt]
) -> dict[str, dict[str, float]]:
    """Compare the pictures with drawings of the same prompts, level by level, and these with other drawings.

    `ratio` is the first distance divided by the second: near 1 for pictures with the details of drawings.
    """
    draw, size = SUBJECTS[subject_name].draw, painted[0].size
    others = held_out_prompts(subject_name, len(prompts), OTHER_PROMPTS_SEED)
    drawn = take_patches((draw(prompt.spec, *size) for prompt in prompts), 1)
    other = take_patches((draw(prompt.spec, *size) for prompt in others), 2)
    of_painted, of_drawn = distances(take_patches(painted), drawn), distances(other, drawn)
    return {
        level: {
            "painted": round(of_painted[level], 2),
            "drawn": round(of_drawn[level], 2),
            "ratio": round(of_painted[level] / of_drawn[level], 2),
        }
        for level in of_painted
    }


def evaluate(
    subject_name: str, paint: Paint, prompts: list[HeldOutPrompt], batch: int, sheet: Path
) -> dict[str, Any]:
    """Take all measures, and save the contact sheet."""
    judge = build_judge(subject_name)
    verdicts: list[Verdict] = []
    entries: list[Entry] = []
    painted: list[Image.Image] = []
    for first, pictures in paint_all(paint, prompts, batch):
        painted += pictures
        for offset, (picture, seen) in enumerate(zip(pictures, judge(pictures), strict=True)):
            prompt = prompts[first + offset]
            verdict = Verdict(prompt.prompt, FIRST_SEED + first + offset, requested_of(prompt), seen)
            verdicts.append(verdict)
            if len(entries) < ON_SHEET:
                entries.append(_entry(picture, verdict))
    save_sheet(draw_sheet(entries), sheet)
    print("seeds", flush=True)
    seeds = seed_differences(paint, prompts[:SEED_PROMPTS])
    started = time.monotonic()
    timed = prompts[:TIMED_PICTURES]
    for number, prompt in enumerate(timed):
        paint([prompt], [number])
    seconds = (time.monotonic() - started) / len(timed)
    return {
        "adherence": adherence(verdicts),
        "sliced_wasserstein": distance_from_drawings(subject_name, painted, prompts),
        "seeds": seeds,
        "seconds_per_picture": round(seconds, 2),
        "misses": [vars(verdict) for verdict in verdicts if verdict.asked != verdict.seen],
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m models.training.evaluate", description=__doc__)
    parser.add_argument("subject", choices=sorted(SUBJECTS))
    parser.add_argument("--model", type=Path, help="the model's folder (default models/storybook-SUBJECT)")
    parser.add_argument("--out", type=Path, help="folder for the results (default the model's folder)")
    parser.add_argument(
        "--sheet", type=Path, help="contact sheet (default docs/pictures/storybook-SUBJECT.jpg)"
    )
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--guidance", type=float, help="guidance scale (default the service's)")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    folder = options.model or Path("models") / f"storybook-{options.subject}"
    out = options.out or folder
    out.mkdir(parents=True, exist_ok=True)
    sheet = options.sheet or Path("docs/pictures") / f"storybook-{options.subject}.jpg"
    guidance = SUBJECTS[options.subject].guidance_scale if options.guidance is None else options.guidance
    paint = load_painter(folder, options.steps, guidance)
    prompts = held_out_prompts(options.subject, options.prompts)
    measured = evaluate(options.subject, paint, prompts, options.batch, sheet)
    judges = json.loads(JUDGES.read_text(encoding="utf-8"))
    report = {
        "subject": options.subject,
        "prompts": options.prompts,
        "steps": options.steps,
        "guidance_scale": guidance,
        "threads": options.threads,
        "judge_accuracy": judges["garment" if options.subject == "character" else "place"],
        **measured,
    }
    (out / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    shares = {name: part["share"] for name, part in measured["adherence"].items()}
    print(f"{shares} seeds {measured['seeds']} {measured['seconds_per_picture']} s a picture")


def _place(kind: str, time_of_day: str) -> Attributes:
    return {"kind": kind, "time": time_of_day, "day_night": "night" if time_of_day == "night" else "day"}


def _entry(picture: Image.Image, verdict: Verdict) -> Entry:
    wrong = [seen for name, seen in verdict.seen.items() if seen != verdict.asked[name]]
    asked = verdict.prompt.removeprefix("beautiful detailed ").partition(",")[0]
    return Entry(picture, asked, f"seen: {', '.join(wrong)}" if wrong else "")


if __name__ == "__main__":
    main()
