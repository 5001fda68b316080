"""Plot what the service reports about itself: its stages, its replicas, its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .frame import Frame
from .scales import label, upto

COLOURS = ("one", "two", "three", "four", "five", "six")


def stages(stages_s: Mapping[str, Mapping[str, float]]) -> str | None:
    """Plot the p95 of each stage behind its p50."""
    if not stages_s:
        return None
    most = max(found["p95"] for found in stages_s.values())
    frame = Frame((0, len(stages_s)), (0, upto(most)), "stage, as Server-Timing reports it", "seconds")
    for at, (name, found) in enumerate(stages_s.items()):
        frame.bar(at + 0.15, at + 0.85, found["p95"], "quiet", f"{name}: p95 {label(found['p95'])} s")
        frame.bar(at + 0.15, at + 0.85, found["p50"], "one", f"{name}: p50 {label(found['p50'])} s")
    return frame.svg("Stages", {at + 0.5: _short(name) for at, name in enumerate(stages_s)})


def replicas(seen: Sequence[Mapping[str, Any]]) -> str | None:
    if len(seen) < 2:
        return None
    names = sorted({name for each in seen for name in each["replicas"]})
    most = max((count for each in seen for count in each["replicas"].values()), default=1)
    frame = Frame((0, max(seen[-1]["at_s"], 1)), (0, max(6.0, upto(most))), "time, s", "running replicas")
    for colour, name in zip(COLOURS, names, strict=False):
        points = [(max(each["at_s"], 0.0), float(each["replicas"].get(name, 0))) for each in seen]
        frame.steps(points, colour, name)
    return frame.svg("Replicas over time")


def memory_plot(seen: Sequence[Mapping[str, float]]) -> str | None:
    if len(seen) < 2:
        return None
    sizes = [each["bytes"] / 2**20 for each in seen]
    frame = Frame((0, seen[-1]["at_s"]), (0, upto(max(sizes))), "time, s", "MiB")
    frame.line([(each["at_s"], size) for each, size in zip(seen, sizes, strict=True)], "one", "memory")
    return frame.svg("Memory of the service's processes")


def _short(name: str) -> str:
    return name.replace("character-", "char. ").replace("background-", "back. ")
