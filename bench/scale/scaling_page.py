"""Write docs/scaling.md and its plots, from the figures of scripts/bench scale.

Every plot says that it is simulated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 300, 60, 20, 34, 44
COLOURS = ("#0b6e99", "#c4572b", "#4b8b3b", "#7a4fa3", "#8a8a8a")
Points = Sequence[tuple[float, float]]
Lines = dict[str, Points]


def draw(figures: dict[str, Any], folder: Path) -> None:
    """Write scaling.md into `folder`, and its plots beside it in pictures/."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    rows = figures["efficiency"]
    linear = [(row["pairs"], rows[0]["rps"] * row["pairs"]) for row in rows]
    reached = [(row["pairs"], row["rps"]) for row in rows]
    efficiency = _plot({"linear": linear, "reached": reached}, "pairs of generators", "scenes a second")
    (pictures / "scaling-efficiency.svg").write_text(efficiency)
    policies = figures["bursts"]["policies"]
    replicas: Lines = {name: _steps(run["targets"]) for name, run in policies.items() if name in SHOWN}
    (pictures / "scaling-bursts.svg").write_text(_plot(replicas, "seconds", "character replicas wanted"))
    spent: Lines = {
        kind: [
            (run["replica_hours"], 100 * run["within"])
            for name, run in policies.items()
            if name.startswith(kind)
        ]
        for kind in ("joint", "ray")
    }
    frontier = _plot(spent, "replica-hours spent", "% of the scenes in time", dots=True)
    (pictures / "scaling-frontier.svg").write_text(frontier)
    (folder / "scaling.md").write_text(_page(figures))


SHOWN = ("joint, hold 600 s", "ray, defaults", "ray, 2 requests, delay 120 s")


def _page(figures: dict[str, Any]) -> str:
    step, bursts, by_chance = figures["step"], figures["bursts"], figures["irregular"]
    lines = [
        "# Scaling, simulated",
        "",
        "Made by `scripts/bench scale --docs docs`. **Everything here is simulated**: no GPU and no cluster",
        "took part. The replicas are a model of the step engine (serve/planning/), fed with an A100's",
        "published step times; the joint policy is the service's own code (serve/autoscaling/), and Ray's",
        "default policy is Ray's own. It holds for queueing, routing and scaling decisions, and says nothing",
        "of pictures a second on a device.",
        "",
        "## From one pair to thirty-two",
        "",
        "![efficiency](pictures/scaling-efficiency.svg)",
        "",
        "| pairs | scenes/s | of linear |",
        "|---|---|---|",
        *(f"| {row['pairs']} | {row['rps']:.2f} | {row['of_linear']:.1%} |" for row in figures["efficiency"]),
        "",
        "## A step of load, from one pair's to eight pairs'",
        "",
        f"First decision after {step['decided_after_s']} s, settled at {step['settled_at']} character",
        f"replicas, overshoot {step['overshoot']}; replicas are held for {step['held_s']:g} s here.",
        "",
        "## Bursts, against Ray's own policy on the same arrivals",
        "",
        f"{bursts['scenes']} scenes: 1.5 a second, and every ten minutes a minute of 12 a second; in time",
        f"means within {bursts['within_s']:g} s. A replica takes 20 s to start, so no policy that only",
        "reacts is in time for the first seconds of a burst.",
        "",
        "![bursts](pictures/scaling-bursts.svg)",
        "",
        "![frontier](pictures/scaling-frontier.svg)",
        "",
        "Ray's own policy stands there as it ships, and tuned: a target of requests for each replica, up",
        "after 2 s, and down after a delay.",
        "",
        "| policy | in time | p95 s | replica-hours |",
        "|---|---|---|---|",
        *(f"| {name} | {run['within']:.1%} | {_spent(run)} |" for name, run in bursts["policies"].items()),
        "",
        "A replica goes when nothing has needed it for `hold_s`: 600 s unless the configuration says",
        "otherwise, as long as the `downscale_delay_s` that Ray ships. Bursts that come oftener meet warm",
        "replicas. And where they come by chance, every ten minutes on average, for 20 to 120 s each:",
        f"the means of {by_chance['traces']} traces, {by_chance['scenes']} scenes in all.",
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


def _steps(targets: Sequence[tuple[float, float]]) -> Points:
    """Return the corners of a step line: each count holds until the next."""
    corners: list[tuple[float, float]] = []
    for at, count in targets:
        if corners:
            corners.append((at, corners[-1][1]))
        corners.append((at, count))
    return corners


def _plot(lines: Lines, x_label: str, y_label: str, dots: bool = False) -> str:
    points = [point for line in lines.values() for point in line] or [(1.0, 1.0)]
    right, top = max(x for x, _ in points) * 1.05, max(y for _, y in points) * 1.1

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * x / right,
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / top,
        )

    marks = [_text(WIDTH - RIGHT, 16, "simulated", "end", "#b00"), _text(LEFT, 16, y_label, "start")]
    marks.append(_text(WIDTH / 2, HEIGHT - 8, x_label, "middle"))
    for part in range(5):
        x, y = right * part / 4, top * part / 4
        marks.append(_text(place(x, 0)[0], HEIGHT - BOTTOM + 16, f"{x:.3g}", "middle"))
        marks.append(_text(LEFT - 6, place(0, y)[1] + 4, f"{y:.3g}", "end"))
        low = place(0, y)[1]
        marks.append(f'<line x1="{LEFT}" y1="{low:.1f}" x2="{WIDTH - RIGHT}" y2="{low:.1f}" stroke="#ddd"/>')
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [place(x, y) for x, y in line]
        if dots:
            marks += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            marks.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        marks.append(_text(LEFT + 10, TOP + 14 + 16 * number, name, "start", colour))
    body = "\n".join(marks)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="12">\n<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, words: str, anchor: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'
