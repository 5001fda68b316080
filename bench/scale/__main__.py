"""Simulate scaling: 1 to 32 pairs, a step of load, bursts against Ray's own policy, all in one run."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.serve.config import AutoscalingConfig

from bench.scale.ray_policy import RaysOwn
from bench.scale.scaling_page import draw
from bench.scale.traces import burst_trace, irregular_trace
from serve.autoscaling.decide import Goal
from serve.planning.device_profile import LayerProfile, Profile
from serve.planning.scaling import JointScaler
from serve.planning.simulation import Outcome, Scaler, Setup, poisson, simulate

PAIRS = (1, 2, 4, 8, 16, 32)
MOST = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smallest form, for tests")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write scaling.md and its plots to this folder")
    arguments = parser.parse_args()
    print(
        f"SIMULATED: no GPU and no Ray cluster was used. {platform.machine()}, Python"
        f" {platform.python_version()}, numpy {np.__version__}, Ray {ray.__version__}'s own policy code;"
        f" load {os.getloadavg()[0]:.1f}"
    )
    print(f"profile: {PROFILE.device}; a scene alone {PROFILE.alone_s:.2f} s; a replica starts in 20 s\n")
    figures = {
        "profile": PROFILE.model_dump(mode="json"),
        "efficiency": efficiency(200 if arguments.quick else 1_500),
        "step": step(180.0 if arguments.quick else 300.0),
        "bursts": bursts(burst_trace(600.0 if arguments.quick else 3_600.0)),
        "irregular": irregular(600.0, SEEDS[:1]) if arguments.quick else irregular(7_200.0, SEEDS),
    }
    _print(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    if arguments.docs:
        draw(figures, arguments.docs)


def _layer(steps: int) -> LayerProfile:
    """Return an A100's published step times for Stable Diffusion 1.5 at 512 x 512, guided, fp16, compiled."""
    step_s = {1: 1 / 49.7, 2: 2 / 61.0, 4: 4 / 69.1, 8: 8 / 73.0, 16: 16 / 74.9}
    return LayerProfile(steps=steps, encode_s=0.01, step_s=step_s, decode_s=0.03, start_s=20.0)


PROFILE = Profile(
    device="simulated A100 (published step times of SD 1.5)",
    backend="simulated",
    character=_layer(25),
    background=_layer(20),
    merge_s=0.05,
    other_s=0.02,
)
GOAL = Goal(latency_s=3.0, other_s=0.1, catch_up_s=30.0)
STEP_HOLD_S = 60.0
SEEDS = range(8, 13)
"""Seeds of the irregular traces: a single one might suit a policy by chance."""


def efficiency(scenes_a_pair: int) -> list[dict[str, float]]:
    """Return the scenes a second of each number of overloaded pairs, and their share of linear scaling."""
    rates = []
    for pairs in PAIRS:
        scenes = scenes_a_pair * pairs
        arrivals = poisson(20.0 * pairs, scenes, seed=pairs)
        outcome = simulate(PROFILE, Setup(pairs, pairs, 2 * pairs), arrivals.tolist())
        first = len(arrivals) - len(outcome.latency_s)
        ended = np.sort(arrivals[first:] + outcome.latency_s)
        # From one third to two thirds: the fleet is neither filling up nor running empty.
        begin, end = len(ended) // 3, 2 * len(ended) // 3
        rates.append((end - begin) / (ended[end] - ended[begin]))
    return [
        {
            "pairs": pairs,
            "rps": round(float(rate), 3),
            "of_linear": round(float(rate / (rates[0] * pairs)), 4),
        }
        for pairs, rate in zip(PAIRS, rates, strict=True)
    ]


def step(until_s: float) -> dict[str, float]:
    """Step from a load for one pair to a load for eight.

    Replicas are held for a short time only, so that the removal of surplus ones is seen.
    """
    at_s = 60.0
    quiet, loud = poisson(0.5, 200, seed=1), at_s + poisson(11.0, int(22 * until_s), seed=2)
    arrivals = [*quiet[quiet < at_s].tolist(), *loud[loud < until_s].tolist()]
    outcome = simulate(
        PROFILE, Setup(1, 1, 4), arrivals, scaler=JointScaler(replace(GOAL, hold_s=STEP_HOLD_S), most=MOST)
    )
    grown = [(at, counts["character"]) for at, counts in outcome.targets if at >= at_s]
    return {
        "decided_after_s": round(grown[0][0] - at_s, 1),
        "settled_at": grown[-1][1],
        "overshoot": max(count for _, count in grown) - grown[-1][1],
        "held_s": STEP_HOLD_S,
        "failed": 0,
    }


def bursts(arrivals: list[float]) -> dict[str, Any]:
    """Run the same trace with each policy, and with several hold times for the joint one."""
    scalers: dict[str, Scaler] = {
        f"joint, hold {hold_s:g} s": _joint(hold_s) for hold_s in (60, 120, 300, 600)
    }
    scalers["ray, defaults"] = RaysOwn(_config())
    for delay_s, target in product((120, 600), (1, 2, 4)):
        scalers[f"ray, {target} requests, delay {delay_s} s"] = _quick_ray(target, delay_s)
    runs = {name: _run(Setup(2, 2, 6), arrivals, scaler) for name, scaler in scalers.items()}
    return {"scenes": len(arrivals), "within_s": GOAL.latency_s, "policies": runs}


def irregular(length_s: float, seeds: Sequence[int]) -> dict[str, Any]:
    """Return each policy's mean over all traces, and the worst and the best of them."""
    scalers: dict[str, Callable[[], Scaler]] = {
        "joint, hold 120 s": partial(_joint, 120),
        "joint, hold 600 s": partial(_joint, 600),
        "ray, defaults": lambda: RaysOwn(_config()),
        "ray, 1 requests, delay 120 s": partial(_quick_ray, 1, 120),
        "ray, 1 requests, delay 600 s": partial(_quick_ray, 1, 600),
    }
    traces = [irregular_trace(length_s, seed) for seed in seeds]
    policies = {}
    for name, scaler in scalers.items():
        runs = [_run(Setup(2, 2, 6), trace, scaler()) for trace in traces]
        within = [run["within"] for run in runs]
        policies[name] = {
            "within": float(np.mean(within)),
            "worst": min(within),
            "best": max(within),
            "p95_s": float(np.mean([run["p95_s"] for run in runs])),
            "replica_hours": float(np.mean([run["replica_hours"] for run in runs])),
        }
    return {"traces": len(traces), "scenes": sum(map(len, traces)), "policies": policies}


def _joint(hold_s: float) -> JointScaler:
    return JointScaler(replace(GOAL, hold_s=hold_s), least=1, most=MOST)


def _quick_ray(target: float, delay_s: float) -> RaysOwn:
    """Configure Ray's policy to scale up after two seconds and down after `delay_s`."""
    return RaysOwn(
        _config(target_ongoing_requests=float(target), upscale_delay_s=2.0, downscale_delay_s=float(delay_s))
    )


def _config(**changes: Any) -> AutoscalingConfig:
    return AutoscalingConfig(min_replicas=1, max_replicas=MOST, **changes)


def _run(begin: Setup, arrivals: list[float], scaler: Scaler) -> dict[str, Any]:
    outcome: Outcome = simulate(PROFILE, begin, arrivals, scaler=scaler)
    return {
        "within": round(float(np.mean(outcome.latency_s <= GOAL.latency_s)), 4),
        "p95_s": round(outcome.percentile_s(95), 2),
        "replica_hours": round(outcome.replica_s / 3600, 2),
        "targets": [(round(at, 1), counts["character"]) for at, counts in outcome.targets],
    }


def _print(figures: dict[str, Any]) -> None:
    print(f"{'pairs':>6}{'scenes/s':>10}{'of linear':>11}")
    for row in figures["efficiency"]:
        print(f"{row['pairs']:>6}{row['rps']:>10.2f}{row['of_linear']:>10.1%}")
    shown = figures["step"]
    print(
        f"\na step of load from 1 pair's to 8 pairs': first decision after {shown['decided_after_s']} s,"
        f" settled at {shown['settled_at']}, overshoot {shown['overshoot']}"
    )
    trace, chance = figures["bursts"], figures["irregular"]
    print(f"\n{trace['scenes']} scenes in bursts, SLO {trace['within_s']:g} s:")
    print(f"{'policy':32}{'within':>9}{'p95 s':>8}{'replica-hours':>15}")
    for name, run in trace["policies"].items():
        print(f"{name:32}{run['within']:>9.1%}{run['p95_s']:>8.2f}{run['replica_hours']:>15.2f}")
    print(f"\nmean of {chance['traces']} traces with bursts at random times, worst and best:")
    for name, run in chance["policies"].items():
        print(
            f"{name:32}{run['within']:>9.1%}{run['p95_s']:>8.2f}{run['replica_hours']:>15.2f}"
            f"   {run['worst']:.1%} to {run['best']:.1%}"
        )


if __name__ == "__main__":
    main()
