"""Measure what a picture gains and loses by reusing its guidance in some steps.

Both bundled models paint the same twelve prompts through the step engine, all at once: exact, with the
guidance cached, and exact with fewer steps, in about the time that cached pictures take.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.engine.measured_on import machine
from bench.pages.sections import write_section
from deployments.background import Background
from deployments.character import Character
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.generator import Generator, GeneratorConfig
from deployments.messages import LayerJob, LayerKind, LayerResult, Pixels

PROMPTS: dict[LayerKind, Sequence[str]] = {
    "character": (
        *("a knight in silver armor", "a wizard in a blue robe with a staff", "a witch in a black dress"),
        *("a princess in a pink dress", "a king in a red robe", "a queen in a golden dress with a book"),
        *("a farmer in a brown tunic", "a pirate in a black coat with a sword", "an elf in a green tunic"),
        *("a robot with a lantern", "an explorer in an orange coat", "a girl in a yellow dress"),
    ),
    "background": (
        *("a castle at sunset", "a forest at dawn in fog", "mountains at noon", "a village at night in snow"),
        *("a desert at noon", "a beach at sunset", "a snowy field at dawn", "a city at night in rain"),
        *("a cave", "a meadow at noon", "a kitchen", "a garden at dawn"),
    ),
}
SETTINGS = {"character": (25, 7.5, 384, 512), "background": (20, 6.0, 512, 384)}
"""Steps, guidance, width and height: the defaults."""
HEADINGS = (
    "| painted | steps/s | gain | mean distance to the exact picture | distance for the worst prompt |",
    "|---|---|---|---|---|",
)
WITHIN_S = 3_600.0


@dataclass(frozen=True)
class Way:
    """A way to paint: one of `cache` steps computes the guidance, and `share` of the steps are run."""

    name: str
    cache: int = 1
    share: float = 1.0


WAYS = (
    Way("exact"),
    *(Way(f"`cache: {every}`", every) for every in (2, 3, 4)),
    *(Way(f"exact, {share:.0%} of the steps", share=share) for share in (0.75, 0.67)),
    Way("exact"),
)
"""The exact way is there twice, to show how far two equal runs differ in speed."""


@dataclass(frozen=True)
class Run:
    """The results of one way of painting: its pictures, the steps requested and how long they took."""

    way: Way
    pixels: list[Pixels]
    steps: int
    cpu_s: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench guidance", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="threads of the model, as in serve/local.yaml")
    parser.add_argument("--prompts", type=int, default=12, help="prompts per model")
    parser.add_argument("--steps", type=int, help="steps per picture, instead of the defaults")
    parser.add_argument("--size", type=int, help="pixels per side, instead of the defaults")
    parser.add_argument("--only", choices=list(PROMPTS), help="run one model only")
    parser.add_argument("--docs", type=Path, help="also write the tables into this folder's performance.md")
    arguments = parser.parse_args()
    for kind in [arguments.only] if arguments.only else PROMPTS:
        where = ", ".join(f"{name} {value}" for name, value in machine().items())
        print(where, flush=True)
        head = (
            f"storybook-{kind}, {arguments.prompts} prompts, all at once for each way; {arguments.threads} "
            "thread; steps per CPU second of the process, decoding included; distances in levels of "
            f"255. {where}."
        )
        lines = [head, "", *HEADINGS, *_rows(asyncio.run(_painted(kind, arguments)))]
        print("\n".join(lines), flush=True)
        if arguments.docs:
            page = arguments.docs / "performance.md"
            write_section(page, f"guidance-{kind}", "\n".join(lines))


async def _painted(kind: LayerKind, arguments: argparse.Namespace) -> list[Run]:
    model = ModelConfig(f"storybook-{kind}", device="cpu", threads=arguments.threads)
    config = GeneratorConfig(model, generation=GenerationConfig(result_cache_bytes=0))
    replica: Generator = Character(config) if kind == "character" else Background(config)
    steps, guidance, width, height = SETTINGS[kind]
    steps = arguments.steps or steps
    runs = []
    for way in WAYS:
        taken = max(1, round(way.share * steps))
        first = LayerJob(
            request_id="bench",
            kind=kind,
            prompt="",
            num_inference_steps=taken,
            guidance_scale=guidance,
            seed=0,
            width_px=arguments.size or width,
            height_px=arguments.size or height,
            deadline_at=time.monotonic() + WITHIN_S,
            fallback="none",
            no_store=True,
            guidance_cache=way.cache,
        )
        prompts = PROMPTS[kind][: arguments.prompts]
        jobs = [replace(first, prompt=prompt, seed=seed) for seed, prompt in enumerate(prompts)]
        began = time.process_time()
        painted: list[LayerResult] = await asyncio.gather(*map(replica.paint, jobs))
        took_s = time.process_time() - began
        # A way with fewer steps is credited with all of them: the time of the same pictures is compared.
        runs.append(Run(way, [each.pixels for each in painted], steps * len(jobs), took_s))
        print(f"{kind}, {way.name}: {took_s:.1f} s", flush=True)
    return runs


def _rows(runs: Sequence[Run]) -> list[str]:
    exact = runs[0]
    exact_s = sum(run.cpu_s for run in runs if run.way == exact.way) / 2
    rows = []
    for run in runs:
        apart = [_distance(*pair) for pair in zip(run.pixels, exact.pixels, strict=True)]
        rows.append(
            f"| {run.way.name} | {run.steps / run.cpu_s:.2f} | {exact_s / run.cpu_s:.2f} "
            f"| {np.mean(apart):.2f} | {max(apart):.2f} |"
        )
    others = [_distance(*pair) for pair in _neighbours(exact.pixels)]
    far = f"{np.mean(others):.2f} | {max(others):.2f}"
    return [*rows, f"| exact, another prompt and seed | | | {far} |"]


def _neighbours(pixels: Sequence[Pixels]) -> list[tuple[Pixels, Pixels]]:
    return list(zip(pixels, [*pixels[1:], pixels[0]], strict=True))


def _distance(one: Pixels, other: Pixels) -> float:
    """Return the mean absolute difference, in levels of 255."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


if __name__ == "__main__":
    main()
