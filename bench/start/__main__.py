"""Measure the start of scripts/serve by phase, against bare Ray Serve with an empty deployment, in turn."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.engine.measured_on import machine
from bench.start import start_page
from bench.start.sides import BARE, OURS, PHASES, NotStarted, Started, started

TRIES = 3


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="starts per side")
    parser.add_argument("--config", default="serve/local.yaml")
    parser.add_argument("--quick", action="store_true", help="smoke test: one start per side, simulated")
    parser.add_argument("--demo", action="store_true", help="also time scripts/demo until it ends")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write the table into this folder's performance.md")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.config = 1, "serve/simulated.yaml"
    os.chdir(Path(__file__).parents[2])
    where = machine() | {"ray": _version_of_ray()}
    taken: dict[str, list[Started]] = {OURS: [], BARE: []}
    for number in range(arguments.rounds):
        for side in (OURS, BARE) if number % 2 == 0 else (BARE, OURS):
            taken[side].append(one := _started(side, arguments.config))
            print(f"{side}: {sum(one.seconds):.1f} s, {sum(one.cpu_s):.1f} CPU s", flush=True)
    report: dict[str, Any] = {
        "machine": where,
        "rounds": arguments.rounds,
        "phases": PHASES,
        "sides": [_quickest(side, runs) for side, runs in taken.items()],
    }
    if arguments.demo:
        report["demo_s"] = min(_demo_s() for _ in range(arguments.rounds))
    print("\n".join(start_page.table(report)))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.docs:
        start_page.write(report, arguments.docs)


def _started(side: str, config: str) -> Started:
    """Start a side. Retry if it gave up, as stock Ray does after 30 s on a busy machine."""
    for left in reversed(range(TRIES)):
        try:
            with started(side, config) as one:
                return one
        except NotStarted:
            if not left:
                raise
    raise AssertionError


def _quickest(side: str, runs: list[Started]) -> dict[str, Any]:
    run = min(runs, key=lambda each: sum(each.seconds))
    return {"side": side, "seconds": run.seconds, "cpu_s": run.cpu_s}


def _demo_s() -> float:
    with tempfile.TemporaryDirectory(prefix="sws-") as folder:
        began = time.monotonic()
        command = [sys.executable, "-m", "serve.commands.demo", "--output", f"{folder}/scene.jpg"]
        environment = os.environ | {"SCENEWRIGHT_STATE_DIR": folder}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began


def _version_of_ray() -> str:
    from importlib.metadata import version

    return version("ray")


if __name__ == "__main__":
    main()
