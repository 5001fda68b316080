"""Write docs/scaling.md and its plots, from the figures of scripts/bench scale.

Every plot says that it is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from loadtest.report.frame import HEIGHT, WIDTH, Frame
from loadtest.report.scales import upto

COLOURS = ("one", "two", "three", "four", "quiet")
Points = Sequence[tuple[float, float]]
Lines = dict[str, Points]
STANDALONE = {"one": "#2b6cb0", "two": "#d9730d", "three": "#2f855a", "four": "#805ad5", "quiet": "#8a8a8a"}
"""The colours of a plot in a separate file, which does not have the page's style.css."""
SVG = '<svg xmlns="http://www.w3.org/2000/svg"'


def draw(figures: dict[str, Any], folder: Path) -> None:
    """Write scaling.md into `folder`, and its plots beside it in pictures/."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    rows = figures["efficiency"]
    linear = [(row["pairs"], rows[0]["rps"] * row["pairs"]) for row in rows]
    reached = [(row["pairs"], row["rps"]) for row in rows]
    efficiency = _plot({"linear": linear, "reached": reached}, "pairs of generators", "scenes per second")
    (pictures / "scaling-efficiency.svg").write_text(efficiency)
    policies = figures["bursts"]["policies"]
    replicas: Lines = {name: run["targets"] for name, run in policies.items() if name in SHOWN}
    bursts = _plot(replicas, "seconds", "character replicas wanted", "steps")
    (pictures / "scaling-bursts.svg").write_text(bursts)
    spent: Lines = {
        kind: [
            (run["replica_hours"], 100 * run["within"])
            for name, run in policies.items()
            if name.startswith(kind)
        ]
        for kind in ("joint", "ray")
    }
    frontier = _plot(spent, "replica-hours spent", "% of the scenes in time", "dots")
    (pictures / "scaling-frontier.svg").write_text(frontier)
    (folder / "scaling.md").write_text(_page(figures))


SHOWN = ("joint, hold 600 s", "ray, defaults", "ray, 2 requests, delay 120 s")


def _page(figures: dict[str, Any]) -> str:
    step, bursts, by_chance = figures["step"], figures["bursts"], figures["irregular"]
    lines = [
        "# Scaling, simulated",
        "",
        "Made by `scripts/bench scale --docs docs`. **Everything here is simulated**: no GPU and no cluster",
        "was used. The replicas are a model of the step engine (serve/planning/), with an A100's",
        "published step times; the joint policy is the service's own code (serve/autoscaling/), and Ray's",
        "default policy is Ray's own. The results apply to queueing, routing and scaling decisions, not to",
        "the pictures per second of a device.",
        "",
        "## From one pair to thirty-two",
        "",
        "![efficiency](pictures/scaling-efficiency.svg)",
        "",
        "| pairs | scenes/s | of linear |",
        "|---|---|---|",
        *(f"| {row['pairs']} | {row['rps']:.2f} | {row['of_linear']:.1%} |" for row in figures["efficiency"]),
        "",
        "## A load step, from the load of one pair to that of eight",
        "",
        f"First decision after {step['decided_after_s']} s, settled at {step['settled_at']} character",
        f"replicas, overshoot {step['overshoot']}; replicas are kept for {step['held_s']:g} s here.",
        "",
        "## Bursts, against Ray's own policy on the same arrivals",
        "",
        f"{bursts['scenes']} scenes: 1.5 per second, and 12 per second for a minute every ten minutes;",
        f"in time means within {bursts['within_s']:g} s. A replica takes 20 s to start, so no policy that",
        "only reacts is in time for the first seconds of a burst.",
        "",
        "![bursts](pictures/scaling-bursts.svg)",
        "",
        "![frontier](pictures/scaling-frontier.svg)",
        "",
        "Ray's own policy runs with its defaults, and tuned: a target of requests per replica, up",
        "after 2 s, and down after a delay.",
        "",
        "| policy | in time | p95 s | replica-hours |",
        "|---|---|---|---|",
        *(f"| {name} | {run['within']:.1%} | {_spent(run)} |" for name, run in bursts["policies"].items()),
        "",
        "A replica is removed when it has not been needed for `hold_s`: 600 s unless the configuration says",
        "otherwise, the same as Ray's default `downscale_delay_s`. More frequent bursts find the replicas",
        "still running. With bursts at random times, every ten minutes on average, for 20 to 120 s each,",
        f"the means of {by_chance['traces']} traces, {by_chance['scenes']} scenes in total, are:",
        "",
        "| policy | in time | worst and best | p95 s | replica-hours |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {run['within']:.1%} | {run['worst']:.1%} to {run['best']:.1%} | {_spent(run)} |"
            for name, run in by_chance["policies"].items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _spent(run: dict[str, Any]) -> str:
    return f"{run['p95_s']:.2f} | {run['replica_hours']:.2f}"


def _plot(lines: Lines, x_label: str, y_label: str, kind: Literal["line", "steps", "dots"] = "line") -> str:
    points = [point for line in lines.values() for point in line] or [(1.0, 1.0)]
    x, y = (upto(max(point[axis] for point in points)) for axis in (0, 1))
    frame = Frame((0, x), (0, y), f"{x_label} (simulated)", y_label)
    for number, (name, line) in enumerate(lines.items()):
        if line:
            getattr(frame, kind)(line, COLOURS[number % len(COLOURS)], name)
    return standalone(frame.svg(f"{y_label}, simulated"))


def standalone(svg: str) -> str:
    """Return a plot as the content of a separate file, on a white background."""
    marks = "".join(
        f".line.{name}, .dots.{name} {{ stroke: {colour} }} .bar.{name} {{ fill: {colour} }} "
        for name, colour in STANDALONE.items()
    )
    style = (
        "text { fill: #333; font: 12px sans-serif } .grid { stroke: #ddd } .axis { stroke: #333 } "
        ".line { fill: none; stroke-width: 2 } .dots { fill: none; stroke-width: 8; stroke-linecap: round } "
    )
    paper = f'<style>{style}{marks}</style><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    head, body = svg.split(">", 1)
    return f"{head.replace('<svg', SVG, 1)}>{paper}{body}\n"
