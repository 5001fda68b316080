"""Format a plan as text, and as data for JSON."""

from __future__ import annotations

from typing import Any

from .device_profile import Profile
from .search import Evaluated, Plan
from .simulation import Outcome, Setup

HOURS_A_DAY, DAYS_A_MONTH = 24, 30


def as_text(plan: Plan, profile: Profile) -> str:
    goal, setup, outcome = plan.goal, plan.chosen.setup, plan.chosen.outcome
    simulated = " (a simulated profile: no device was measured)" if profile.backend == "simulated" else ""
    figures = f" of {goal.figures} figures" if goal.figures > 1 else ""
    models = {kind: getattr(profile, kind).model for kind in ("character", "background")}
    lines = [
        *(f"{kind}: {model}" for kind, model in models.items() if model),
        f"{goal.rps:g} scenes/s{figures}, {goal.percent:g}% within {goal.latency_s:g} s,"
        f" on {profile.device}{simulated}",
        *([f"from published times, not measured: {profile.source}"] if profile.source else []),
        f"one scene alone: {profile.alone_s:.2f} s",
        "",
        f"{'':12}{'replicas':>9}{'with a spare':>14}{'utilisation':>13}{'queued':>9}",
    ]
    for kind in ("character", "background"):
        lines.append(
            f"{kind:12}{getattr(setup, kind):>9}{getattr(plan.spare, kind):>14}"
            f"{outcome.utilisation[kind]:>12.0%}{outcome.queued_s[kind]:>8.2f}s"
        )
    lines += [
        f"{'merger':12}{setup.merger:>9}{plan.spare.merger:>14}{outcome.utilisation['merger']:>12.0%}",
        "",
        f"latency: {_percentiles(outcome)}",
        f"waiting for the slower branch: {outcome.late_layer_s.mean():.2f} s per scene, on average",
        f"GPUs: {setup.gpus}, {setup.gpus * HOURS_A_DAY} GPU-hours a day; with a spare of each:"
        f" {plan.spare.gpus}, {plan.spare.gpus * HOURS_A_DAY} a day,"
        f" {plan.spare.gpus * HOURS_A_DAY * DAYS_A_MONTH} in 30 days",
        f"autoscaled over half an hour of these arrivals: {plan.autoscaled.gpus_on_average:.1f} GPUs on"
        f" average, p{goal.percent:g} {plan.autoscaled.percentile_s(goal.percent):.2f} s",
        "",
        *_cheaper(plan),
    ]
    return "\n".join(lines)


def as_data(plan: Plan, profile: Profile) -> dict[str, Any]:
    return {
        "device": profile.device,
        "models": {kind: getattr(profile, kind).model or None for kind in ("character", "background")},
        "backend": profile.backend,
        "source": profile.source or None,
        "rps": plan.goal.rps,
        "latency_s": plan.goal.latency_s,
        "percent": plan.goal.percent,
        "figures": plan.goal.figures,
        "chosen": _data(plan.chosen),
        "spare": _replicas(plan.spare),
        "autoscaled": {
            "gpus": round(plan.autoscaled.gpus_on_average, 2),
            "latency_s": _latency(plan.autoscaled),
        },
        "cheaper": [_data(evaluated) for evaluated in plan.cheaper],
    }


def _cheaper(plan: Plan) -> list[str]:
    if not plan.cheaper:
        return [
            "no cheaper setup is possible: with one GPU less, a branch could not keep up with the arrivals"
        ]
    fault = plan.cheaper[0]
    setup, outcome = fault.setup, fault.outcome
    busiest = max(("character", "background"), key=lambda kind: outcome.queued_s[kind])
    return [
        f"the next cheaper setup, {setup.character} + {setup.background}, fails:"
        f" p{plan.goal.percent:g} {outcome.percentile_s(plan.goal.percent):.2f} s;"
        f" the {busiest} replicas are {outcome.utilisation[busiest]:.0%} busy"
        f" and a layer waits {outcome.queued_s[busiest]:.2f} s for its turn"
    ]


def _percentiles(outcome: Outcome) -> str:
    return ", ".join(f"p{percent:g} {outcome.percentile_s(percent):.2f} s" for percent in (50, 95, 99))


def _latency(outcome: Outcome) -> dict[str, float]:
    return {f"p{percent:g}": round(outcome.percentile_s(percent), 4) for percent in (50, 95, 99)}


def _replicas(setup: Setup) -> dict[str, int]:
    return {"character": setup.character, "background": setup.background, "merger": setup.merger}


def _data(evaluated: Evaluated) -> dict[str, Any]:
    outcome = evaluated.outcome
    return {
        "replicas": _replicas(evaluated.setup),
        "gpus": evaluated.setup.gpus,
        "latency_s": _latency(outcome),
        "utilisation": {kind: round(part, 4) for kind, part in outcome.utilisation.items()},
        "queued_s": {kind: round(seconds, 4) for kind, seconds in outcome.queued_s.items()},
        "late_layer_s": round(float(outcome.late_layer_s.mean()), 4),
    }
