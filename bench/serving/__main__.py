"""Both graphs asked in turn, so that what else the machine does meets both alike. The tutorial's stands there
twice: in a Ray with every setting as it ships, and in ours, with the settings that scripts/serve gives it."""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

import fastapi
import ray
import starlette
import yaml
from ray import serve

from bench.pages.sections import write_section
from bench.serving.alone import tutorial_alone
from bench.serving.load import Measured, load
from bench.serving.tutorial import graph
from serve import local_cluster
from serve.config import ServiceConfig

REPOSITORY = Path(__file__).parents[2]


def _sides(width: int, height: int) -> dict[str, int]:
    return {"width": width, "height": height}


SIZES = {
    "64 x 64: no pixels to speak of": (_sides(64, 64), _sides(64, 64)),
    "384 x 512: the bundled character's": (_sides(384, 512), _sides(1024, 512)),
    "512 x 512: SD 1.5's": (_sides(512, 512), _sides(1024, 512)),
    "1024 x 1024: SDXL's": (_sides(1024, 1024), _sides(1024, 1024)),
}
"""Of each layer, and of the frame."""
OURS, TUTORIAL, TUTORIAL_HERE = "scenewright", "tutorial", "tutorial, our settings"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench serve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="how often each side has its turn")
    parser.add_argument("--scenes", type=int, default=150, help="of each turn")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--quick", action="store_true", help="two rounds of a few scenes: does it run?")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--docs", type=Path, help="also write the table into performance.md in this folder")
    asked = parser.parse_args()
    if asked.quick:
        asked.rounds, asked.scenes, asked.callers = 2, 8, [2]
    sizes = dict(list(SIZES.items())[: 2 if asked.quick else None])
    machine = _machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"no-op generators; {asked.rounds} rounds of {asked.scenes} scenes a side, in turn\n", flush=True)
    report: dict[str, Any] = {"machine": machine, "rounds": asked.rounds, "scenes": asked.scenes, "runs": []}
    with (
        tutorial_alone() as alone,
        local_cluster.running(_no_op(), "127.0.0.1", local_cluster.free_port()) as url,
    ):
        serve.run(graph(), name="tutorial", route_prefix="/tutorial")
        sides = {OURS: url, TUTORIAL: alone, TUTORIAL_HERE: f"{url}/tutorial"}
        print(f"{'':24}{'callers':>9}{'scenes/s':>11}{'p50 ms':>9}{'CPU ms a scene':>16}")
        for size, (layer, frame) in sizes.items():
            print(size)
            for callers in asked.callers:
                figures = _compared(sides, layer, frame, callers, asked.rounds, asked.scenes)
                report["runs"].append({"size": size, "callers": callers, **figures})
                _print(callers, figures)
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n")
    if asked.docs:
        write_section(asked.docs / "performance.md", "edge", _page(report))


def _page(report: dict[str, Any]) -> str:
    lines = [
        f"{report['rounds']} rounds of {report['scenes']} scenes a side. "
        + ", ".join(f"{name} {value}" for name, value in report["machine"].items())
        + ".",
        "",
        "| each layer | callers | | scenes/s | p50 ms | CPU ms a scene | scenes/s, ours / it |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in report["runs"]:
        for side in (OURS, TUTORIAL, TUTORIAL_HERE):
            each, times = run[side], run[OURS]["per_s"] / run[side]["per_s"]
            where = f"{run['size']} | {run['callers']}" if side == OURS else " | "
            lines.append(
                f"| {where} | {side} | {each['per_s']:.1f} | {each['p50_ms']:.0f} | {each['cpu_ms']:.1f} |"
                f" {'' if side == OURS else f'{times:.2f}'} |"
            )
    return "\n".join(lines)


def _compared(
    sides: dict[str, str],
    layer: dict[str, int],
    frame: dict[str, int],
    callers: int,
    rounds: int,
    scenes: int,
) -> dict[str, dict[str, float]]:
    measured = {side: Measured() for side in sides}
    for url in sides.values():
        load(url, layer, frame, callers, max(2 * callers, scenes // 4), Measured())
    for number in range(rounds):
        for side in list(sides) if number % 2 else reversed(sides):
            load(sides[side], layer, frame, callers, scenes, measured[side])
    return {side: each.figures() for side, each in measured.items()}


def _print(callers: int, figures: dict[str, dict[str, float]]) -> None:
    for side, row in figures.items():
        print(f"{side:24}{callers:>9}{row['per_s']:>11.1f}{row['p50_ms']:>9.1f}{row['cpu_ms']:>16.1f}")
    for theirs in (TUTORIAL, TUTORIAL_HERE):
        ratios = {name: figures[OURS][name] / figures[theirs][name] for name in figures[OURS]}
        print(
            f"{'ours / ' + theirs:33}{ratios['per_s']:>10.2f}x{ratios['p50_ms']:>8.2f}x"
            f"{ratios['cpu_ms']:>15.2f}x",
            flush=True,
        )


def _no_op() -> ServiceConfig:
    """serve/simulated.yaml, with generators that take no time at all."""
    data = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())["applications"][0]["args"]
    for kind in ("character", "background"):
        no_time = {"encode_s": 0.0, "step_s": 0.0, "decode_s": 0.0}
        data[kind]["generator"] |= {"simulated": no_time, "generation": {"result_cache_bytes": 0}}
    return ServiceConfig.model_validate(data)


def _machine() -> dict[str, str]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in (
                Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ()
            )
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
        "Ray": ray.__version__,
        "FastAPI": fastapi.__version__,
        "Starlette": starlette.__version__,
        "load": f"{os.getloadavg()[0]:.1f}",
    }


if __name__ == "__main__":
    main()
