"""Run a closed loop of callers against one address, and measure each scene's cost in CPU time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from typing import Any

import aiohttp
import psutil
from PIL import Image

SEEDS = count(1)
"""Never the same seed twice, so that no cache serves it."""


HOPS = {
    "proxy": ("proxyactor", "haproxy"),
    "edge": ("ingress",),
    "painters": ("character", "background"),
    "merger": ("merger",),
    "Ray": ("raylet", "gcs_server", "servecontroller", "dashboardagent", "runtimeenvagent"),
}
"""The processes that a scene passes through, and Ray's own, by how their titles begin."""
REST = "others"


@dataclass
class Measured:
    """Totals of all rounds. `cpu_s` is that of the service's processes by role, without the callers'."""

    answers: int = 0
    took_s: float = 0.0
    cpu_s: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        in_order = sorted(self.latencies_s)
        hops = {hop: round(1e3 * self.cpu_s[hop] / self.answers, 2) for hop in (*HOPS, REST)}
        return {
            "per_s": round(self.answers / self.took_s, 2),
            "p50_ms": round(1e3 * in_order[len(in_order) // 2], 2),
            "cpu_ms": round(1e3 * self.cpu_s.total() / self.answers, 2),
            "hops_ms": hops,
        }


def load(
    url: str, layer: dict[str, int], frame: dict[str, int], callers: int, scenes: int, into: Measured
) -> None:
    """Send `scenes` scenes from `callers` callers that each wait for the response.

    Raises if a response fails, or if a caller's last one is not a picture of the frame's size.
    """
    used_s, begun = service_cpu_s(), time.perf_counter()
    into.latencies_s += asyncio.run(_callers(url, layer, frame, callers, scenes))
    into.took_s += time.perf_counter() - begun
    used_s, since_s = service_cpu_s(), used_s
    into.cpu_s.update({hop: used_s[hop] - since_s[hop] for hop in used_s})
    into.answers += scenes


async def _callers(
    url: str, layer: dict[str, int], frame: dict[str, int], callers: int, scenes: int
) -> list[float]:
    left, took = iter(range(scenes)), []

    async def call(http: aiohttp.ClientSession) -> None:
        for _ in left:
            begun = time.perf_counter()
            async with http.post(f"{url}/v1/scenes", json=_scene(layer, frame)) as response:
                data = await response.read()
            took.append(time.perf_counter() - begun)
            assert response.status == 200, data
        with Image.open(BytesIO(data)) as picture:
            assert picture.size == (frame["width"], frame["height"])

    async with aiohttp.ClientSession() as http:
        await asyncio.gather(*(call(http) for _ in range(callers)))
    return took


def _scene(layer: dict[str, int], frame: dict[str, int]) -> dict[str, Any]:
    painted = {"prompt": "x", "num_inference_steps": 1, "guidance_scale": 1.0, **layer}
    return {
        "character": painted,
        "background": painted,
        "seed": next(SEEDS),
        "merge": {"mode": "paste", **frame},
    }


def service_cpu_s() -> Counter[str]:
    """Return the CPU seconds, by role, of all processes that this one started."""
    used: Counter[str] = Counter()
    for process in psutil.Process().children(recursive=True):
        try:
            times, name = process.cpu_times(), hop_of(process.cmdline())
        except psutil.Error:
            continue
        used[name] += times.user + times.system
    return used


def hop_of(command: list[str]) -> str:
    """Return the role of a Ray process. A replica's follows from its deployment's name, in lower case."""
    title = command[0] if command else ""
    for hop, names in HOPS.items():
        if title.replace("/", ":").rpartition(":")[2].lower().startswith(names):
            return hop
    return REST
