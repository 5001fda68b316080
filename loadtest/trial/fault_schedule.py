"""Cause faults on a schedule while the load runs, and find what each of them cost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..cluster.replicas import Replicas
from ..traffic.record import CANCELLED, OK
from .trial import Clock

COMMAND_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Fault:
    """A shell command that the user gives, or the end of a replica of `deployment` (or of "any")."""

    command: str | None = None
    deployment: str | None = None

    def __str__(self) -> str:
        return self.command if self.command is not None else f"end a replica of {self.deployment}"

    async def strike(self, replicas: Replicas | None) -> str:
        """Cause the fault. Return a description of its result."""
        if self.command is not None:
            return await _shell(self.command)
        if replicas is None:
            return "no cluster was given"
        name = await replicas.end_one(self.deployment or "any")
        return f"ended {name}" if name else "no such replica was running"


@dataclass
class Faults:
    """One fault every `every_s` from `from_s` until `until_s`, drawn from a seed; `struck` lists each."""

    choices: Sequence[Fault]
    every_s: float
    from_s: float
    until_s: float
    seed: int
    struck: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, now: Clock, replicas: Replicas | None) -> None:
        dice = random.Random(self.seed)  # noqa: S311 (these dice guard no secret)
        at_s = self.from_s
        while at_s < self.until_s:
            await asyncio.sleep(max(0.0, at_s - now()))
            fault = dice.choice(self.choices)
            report = {"at_s": round(now(), 3), "what": str(fault)}
            self.struck.append(report)
            report["result"] = await fault.strike(replicas)
            at_s += self.every_s


async def _shell(command: str) -> str:
    process = await asyncio.create_subprocess_shell(
        command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            return f"exit {await process.wait()}"
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"killed after {COMMAND_TIMEOUT_S:.0f} s"


def costs(
    struck: Sequence[Mapping[str, Any]], series: Mapping[str, Sequence[Any]], ends_s: float
) -> list[dict[str, Any]]:
    """Return each fault, with the failed and slowest requests of those in flight between it and the next."""
    report = []
    rows = list(zip(series["intended_s"], series["latency_s"], series["code"], strict=True))
    for number, fault in enumerate(struck):
        until_s = struck[number + 1]["at_s"] if number + 1 < len(struck) else ends_s
        touched = [
            (latency_s, code)
            for at_s, latency_s, code in rows
            if at_s < until_s and at_s + latency_s > fault["at_s"]
        ]
        failed = sum(code not in (OK, CANCELLED) for _, code in touched)
        slowest = max((latency_s for latency_s, code in touched if code == OK), default=None)
        report.append({**fault, "requests": len(touched), "failed": failed, "slowest_s": slowest})
    return report
