"""Run one measured trial for any command: the load, the faults and watchers beside it, and its summary."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..analysis.slo import Slo
from ..analysis.summary import Window, summarise
from ..cluster import machine
from ..cluster.replicas import Replicas
from ..traffic.loops import Target, Traffic
from ..traffic.mix import Mix
from ..traffic.record import Record, write
from ..traffic.request_plan import PlannedRequest, endless, plan
from .progress import Progress

Clock = Callable[[], float]
Beside = Callable[[Clock, Replicas | None], Awaitable[Any]]
"""A coroutine function that runs during the load, and is cancelled after the load's last response."""


@dataclass(frozen=True)
class Trial:
    """One trial: an open loop with `arrivals` in seconds after the start, or a closed loop of `users`."""

    target: Target
    mix: Mix
    window: Window
    seed: int
    arrivals: Sequence[float] = ()
    users: int | None = None
    slo: Slo | None = None
    ray_address: str | None = None
    records: Path | None = None
    quiet: bool = False
    config: dict[str, Any] = field(default_factory=dict)


def carry_out(trial: Trial, *beside: Beside) -> dict[str, Any]:
    """Run the trial, and return the summary.

    Ctrl-C ends the run early: its summary covers the records so far, marked INVALID. Raises ClusterError.
    """
    records: list[Record] = []
    seen: list[dict[str, Any]] = []
    began = datetime.now(UTC).isoformat(timespec="seconds")
    interrupted = False
    try:
        asyncio.run(_carry_out(trial, records, seen, beside))
    except KeyboardInterrupt:
        interrupted = True
    summary = summarise(records, trial.window, trial.slo, trial.users is not None)
    if interrupted:
        summary["valid"] = False
        summary["invalid_because"].append("the run was stopped before its end")
    return {
        "began": began,
        **summary,
        "replicas": seen,
        "machine": machine.describe(),
        "config": {**trial.config, "mix": trial.mix.model_dump(mode="json", exclude_none=True)},
    }


async def _carry_out(
    trial: Trial, records: list[Record], seen: list[dict[str, Any]], beside: Sequence[Beside]
) -> None:
    requests: list[PlannedRequest] = plan(trial.mix, trial.arrivals, trial.seed)
    progress = Progress(sys.stderr, trial.window.end_s)
    async with AsyncExitStack() as stack:
        lines = stack.enter_context(trial.records.open("w")) if trial.records else None
        replicas = await stack.enter_async_context(Replicas(trial.ray_address)) if trial.ray_address else None

        def keep(record: Record) -> None:
            records.append(record)
            progress.add(record)
            if lines is not None:
                write(record, lines)

        traffic = await stack.enter_async_context(Traffic(trial.target, keep))
        if replicas is not None:
            replicas.clock(traffic.now)
            replicas.seen = seen
        companions = [asyncio.ensure_future(each(traffic.now, replicas)) for each in beside]
        if not trial.quiet:
            companions.append(asyncio.ensure_future(progress.show(traffic.now, lambda: traffic.in_flight)))
        try:
            if trial.users is None:
                await traffic.open_loop(requests)
            else:
                until_s = trial.window.end_s
                await traffic.closed_loop(endless(trial.mix, trial.seed), trial.users, until_s)
        finally:
            for companion in companions:
                companion.cancel()
            ends = await asyncio.gather(*companions, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
