"""Measure how much longer the steps of other pictures take while a LoRA is read."""

from __future__ import annotations

import argparse
import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.engine.measured_on import machine
from bench.lora.files import BUNDLED, DEEP, model_of, write_loras
from bench.lora.steps import Seen, watch
from bench.pages.sections import write_section

SIZES = {BUNDLED: (512, 384), DEEP: (128, 128)}
QUICK_SIZE = (64, 64)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench lora", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of each model, in turn")
    parser.add_argument("--loras", type=int, default=4, help="LoRAs read in each run")
    parser.add_argument("--steps", type=int, default=20, help="steps measured before and after the reading")
    parser.add_argument("--threads", type=int, default=1, help="threads of the model, as in serve/local.yaml")
    parser.add_argument("--only", choices=[BUNDLED, DEEP], help="run one model only")
    parser.add_argument("--quick", action="store_true", help="smoke test: one LoRA and few steps")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write the table into this folder's performance.md")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.runs, arguments.loras, arguments.steps = 1, 1, 4
    report: dict[str, Any] = {"machine": {**machine(), "peft": version("peft")}, "models": {}}
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()), flush=True)
    with tempfile.TemporaryDirectory(prefix="loras-") as name:
        for number, model in enumerate([arguments.only] if arguments.only else [BUNDLED, DEEP]):
            folder = Path(name) / str(number)
            source = model_of(model, folder, arguments.quick)
            layers = write_loras(source, folder / "loras", arguments.loras)
            size = QUICK_SIZE if arguments.quick else SIZES[model]
            watched = []
            for run in range(arguments.runs):
                watched.append(watch(source, folder / "loras", size, arguments.threads, arguments.steps))
                print(f"{model}, run {run + 1}: {_figures(watched[-1])}", flush=True)
            report["models"][model] = {"layers": layers, "runs": list(map(_figures, watched))}
    lines = _table(report)
    print("\n".join(lines))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.docs:
        where = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
        head = (
            f"{arguments.runs} runs per model, {arguments.loras} LoRAs; {arguments.threads} thread. {where}."
        )
        write_section(arguments.docs / "performance.md", "lora", "\n".join([head, "", *lines]))


def _figures(seen: Seen) -> dict[str, float]:
    return {
        "usual_s": seen.usual_s,
        "reading_s": max(seen.reading_s),
        "alone_steps": seen.stall(seen.alone_s),
        "reading_steps": seen.stall(seen.meanwhile_s),
    }


def _table(report: dict[str, Any]) -> list[str]:
    lines = [
        "| model | layers changed | usual step, ms | reading, s | excess of the longest step in usual steps, "
        "without a reading | **with a reading** |",
        "|---|---|---|---|---|---|",
    ]
    for model, found in report["models"].items():
        runs = found["runs"]
        usual_ms = 1e3 * sorted(run["usual_s"] for run in runs)[len(runs) // 2]
        reading_s = max(run["reading_s"] for run in runs)
        alone, reading = (
            ", ".join(f"{run[key]:.2f}" for run in runs) for key in ("alone_steps", "reading_steps")
        )
        lines.append(
            f"| {model} | {found['layers']} | {usual_ms:.0f} | {reading_s:.1f} | {alone} | **{reading}** |"
        )
    return lines


if __name__ == "__main__":
    main()
