"""Measure the edge alone: scenes a second with no-op generators, against a tutorial's Ray Serve graph.

One Ray runs at a time, in turn. The tutorial's graph runs in a Ray with its default settings. Both graphs run
in one with the settings of scripts/serve, and in another that also has HAProxy in front.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fastapi
import ray
import starlette

from bench.serve import serve_page
from bench.serve.load import Measured, load
from bench.serve.processes import haproxy, running_server

REPOSITORY = Path(__file__).parents[2]


def _sides(width: int, height: int) -> dict[str, int]:
    return {"width": width, "height": height}


SIZES = {
    "64 x 64: hardly any pixels": (_sides(64, 64), _sides(64, 64)),
    "384 x 512: the bundled character's": (_sides(384, 512), _sides(1024, 512)),
    "512 x 512: SD 1.5's": (_sides(512, 512), _sides(1024, 512)),
    "1024 x 1024: SDXL's": (_sides(1024, 1024), _sides(1024, 1024)),
}
"""The sides in pixels of each layer and of the frame."""
OURS, OURS_PROXIED = "scenewright", "scenewright, HAProxy"
TUTORIAL = "tutorial"
TUTORIAL_HERE, TUTORIAL_PROXIED = "tutorial, our settings", "tutorial, our settings, HAProxy"
SIDES = (OURS, OURS_PROXIED, TUTORIAL, TUTORIAL_HERE, TUTORIAL_PROXIED)


class Server(NamedTuple):
    """A Ray, and the path of each side in it."""

    module: str
    environment: Callable[[], dict[str, str]]
    paths: dict[str, str]


SERVERS = (
    Server("bench.serve.stock_ray", dict, {TUTORIAL: ""}),
    Server("bench.serve.our_ray", dict, {OURS: "", TUTORIAL_HERE: "/tutorial"}),
    Server("bench.serve.our_ray", haproxy, {OURS_PROXIED: "", TUTORIAL_PROXIED: "/tutorial"}),
)
Rounds = dict[tuple[str, int], dict[str, Measured]]
"""Measurements by size, number of callers, and side."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench serve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="turns per side")
    parser.add_argument("--scenes", type=int, default=150, help="scenes of each size per turn")
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--sizes", type=int, default=len(SIZES), help="number of sizes, the smallest first")
    parser.add_argument("--quick", action="store_true", help="smoke test: one round of a few scenes")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write the table into this folder's performance.md")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["PYTHONPATH"] = str(REPOSITORY)  # For the workers of each Ray.
    if arguments.quick:
        arguments.rounds, arguments.scenes, arguments.callers, arguments.sizes = 1, 8, [2], 2
    sizes = dict(list(SIZES.items())[: arguments.sizes])
    machine = _machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(
        f"no-op generators; {arguments.rounds} rounds of {arguments.scenes} scenes per side, in turn\n",
        flush=True,
    )
    rounds: Rounds = {
        (size, callers): {side: Measured() for side in SIDES}
        for size in sizes
        for callers in arguments.callers
    }
    for number in range(arguments.rounds):
        for server in SERVERS if number % 2 else reversed(SERVERS):
            print(f"round {number + 1} of {arguments.rounds}: {', '.join(server.paths)}", flush=True)
            _run_round(server, rounds, arguments.scenes)
    runs = [
        {"size": size, "callers": callers, **{side: each.figures() for side, each in measured.items()}}
        for (size, callers), measured in rounds.items()
    ]
    report = {"machine": machine, "rounds": arguments.rounds, "scenes": arguments.scenes, "runs": runs}
    _print(runs)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.docs:
        serve_page.write(report, SIDES, TUTORIAL, arguments.docs)


def _run_round(server: Server, rounds: Rounds, scenes: int) -> None:
    with running_server(server.module, server.environment()) as url:
        for (size, callers), measured in rounds.items():
            layer, frame = SIZES[size]
            for side, path in server.paths.items():
                load(url + path, layer, frame, callers, max(2 * callers, scenes // 4), Measured())
                load(url + path, layer, frame, callers, scenes, measured[side])


def _print(runs: list[dict[str, Any]]) -> None:
    heads = f"{'scenes/s':>11}{'p50 ms':>9}{'CPU ms/scene':>16}{'/ tutorial':>13}"
    print(f"\n{'':32}{'callers':>9}{heads}")
    for run in runs:
        print(run["size"])
        for side in SIDES:
            row, stock = run[side], run[TUTORIAL]["per_s"]
            measured = f"{row['per_s']:>11.1f}{row['p50_ms']:>9.1f}{row['cpu_ms']:>16.1f}"
            print(f"{side:32}{run['callers']:>9}{measured}{row['per_s'] / stock:>13.2f}")


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
