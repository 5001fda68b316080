"""Measure what a scene's three calls cost by picture size: by Ray's objects, and by value over gRPC.

Two replicas paint zeros, one takes both results, and one calls them as the edge does. The size at which both
ways cost the same gives SMALL_BYTES of serve/graph/replica_calls.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray import serve
from ray.serve import Application

from bench.pages.sections import write_section
from serve.runtime import private_ray

REPOSITORY = Path(__file__).parents[1]
SIDES_PX = ((64, 64), (200, 200), (256, 256), (384, 512), (512, 512), (1024, 1024))
AT_ONCE = 8
WAYS = {"objects": True, "values": False}
"""The ways of calling: by reference, and by value."""


class Painter:
    async def paint(self, pixels: int) -> Any:
        return np.zeros((pixels, 3), np.uint8)

    async def painted(self, pixels: int) -> AsyncIterator[Any]:
        yield await self.paint(pixels)

    async def cpu_s(self) -> float:
        return time.process_time()


class Merger:
    async def merge(self, character: Any, background: Any) -> int:
        return len(character) + len(background)

    async def cpu_s(self) -> float:
        return time.process_time()


class Caller:
    def __init__(self, character: Any, background: Any, merger: Any) -> None:
        self._replicas = character, background, merger

    async def measure(self, pixels: int, way: str, scenes: int) -> dict[str, float]:
        """Return the milliseconds of CPU that one scene takes, by process."""
        call = self._by_objects if WAYS[way] else self._by_values
        await self._load(call, pixels, 2 * AT_ONCE)
        since = await self._cpu_s()
        await self._load(call, pixels, scenes)
        taken = [1e3 * (now - then) / scenes for now, then in zip(await self._cpu_s(), since, strict=True)]
        edge, *painters, merger = taken
        return {"edge": edge, "painters": sum(painters), "merger": merger, "sum": sum(taken)}

    async def _cpu_s(self) -> list[float]:
        return [time.process_time(), *[await each.cpu_s.remote() for each in self._replicas]]

    async def _load(self, call: Any, pixels: int, scenes: int) -> None:
        left = iter(range(scenes))

        async def caller() -> None:
            for _ in left:
                assert await call(pixels) == 2 * pixels

        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))

    async def _by_objects(self, pixels: int) -> Any:
        *painters, merger = self._replicas
        layers = [painter.paint.remote(pixels) for painter in painters]
        await asyncio.gather(*layers)
        return await merger.merge.remote(*layers)

    async def _by_values(self, pixels: int) -> Any:
        *painters, merger = (each.options(_by_reference=False) for each in self._replicas)
        streams = [painter.options(stream=True).painted.remote(pixels) for painter in painters]
        layers = await asyncio.gather(*map(_only, streams))
        return await merger.merge.remote(*layers)


async def _only(stream: Any) -> Any:
    (layer,) = [layer async for layer in stream]
    return layer


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench calls", description=__doc__)
    parser.add_argument("--scenes", type=int, default=200, help="scenes of each size, by each way")
    parser.add_argument("--quick", action="store_true", help="smoke test: a few scenes of two sizes")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write the table into performance.md in this folder")
    arguments = parser.parse_args()
    sides = SIDES_PX[:2] if arguments.quick else SIDES_PX
    os.environ["PYTHONPATH"] = str(REPOSITORY)  # For Ray's workers.
    with (
        tempfile.TemporaryDirectory(prefix="swb-", dir="/tmp", ignore_cleanup_errors=True) as folder,
        private_ray.environment(private_ray.PRIVATE),
    ):
        private_ray.start(2, folder, print)
        try:
            runs = _measured(sides, 8 if arguments.quick else arguments.scenes)
        finally:
            serve.shutdown()
            ray.shutdown()
    machine = {"ray": ray.__version__, "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    report = machine | {"runs": runs}
    text = table(report)
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if arguments.docs:
        write_section(arguments.docs / "performance.md", "calls", text)


def _measured(sides: Sequence[tuple[int, int]], scenes: int) -> list[dict[str, Any]]:
    handle = serve.run(_graph(), name="calls", route_prefix=None)
    measured = []
    for width, height in sides:
        run: dict[str, Any] = {"size": f"{width} x {height}", "kb": width * height * 3 / 1e3}
        for way in WAYS:
            run[way] = handle.measure.remote(width * height, way, scenes).result()
        measured.append(run)
    return measured


def _graph() -> Application:
    def deployed(target: Any, name: str, *arguments: Any) -> Any:
        options: dict[str, Any] = {"ray_actor_options": {"num_cpus": 0}, "max_ongoing_requests": 64}
        deployment: Any = serve.deployment(target, name=name, **options)
        return deployment.bind(*arguments)

    replicas = deployed(Painter, "character"), deployed(Painter, "background"), deployed(Merger, "merger")
    application: Application = deployed(Caller, "caller", *replicas)
    return application


def table(report: Mapping[str, Any]) -> str:
    """Return a report's figures as Markdown."""
    lines = [
        f"Milliseconds of CPU per scene, {AT_ONCE} at once. Cores {report['cores']}, Ray {report['ray']},"
        f" load {report['load']}.",
        "",
        "| each layer | kB | | edge | painters | merger | sum |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in report["runs"]:
        for way in WAYS:
            where = f"{run['size']} | {run['kb']:.0f}" if way == next(iter(WAYS)) else " | "
            lines.append(f"| {where} | {way} | {' | '.join(f'{ms:.1f}' for ms in run[way].values())} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
