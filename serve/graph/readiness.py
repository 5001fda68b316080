"""Report whether the service can paint, and if not, why.

A generator is ready if one of its replicas is: the others get no work until they are ready too. Each
replica's report arrives here every second (deployments/reports/routing_stats.py), so the result does not
depend on how busy the replicas are. A replica is called only while the reports do not decide. A replica runs
only once it has loaded its model or knows why it cannot, and one that cannot paint gets no work, so it
responds at once. So if replicas run and none has time to respond, they are painting: busy counts as ready.

A layer with several models can be painted as long as one model works. The service is then degraded, and the
replicas of the other models refuse requests for them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ray.serve.exceptions import BackPressureError

from deployments.messages import LayerKind, Readiness
from deployments.reports.routing_stats import RoutingStats

from ..state.disk_space import DiskSpace
from ..telemetry.logs import logger
from .replica_calls import Response
from .scene import Graph

PROBE_TIMEOUT_S = 2.0
BUSY_TIMEOUT_S = 0.7
"""The limit if replicas run: a kubelet's probes give up after a second."""
DISK_TIMEOUT_S = 0.2
NO_RESPONSE = "jobs: the disk that stores them does not respond"
NONE_RUNS = "no replica is running: one is loading its model or waiting for free resources"
KINDS: tuple[LayerKind, ...] = ("character", "background")


@dataclass(frozen=True)
class ServiceState:
    """`unready`: a sentence for each generator that cannot paint. `degraded`: one for each lesser fault."""

    unready: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


class DiskCheck:
    """Check the disk that holds the jobs, without waiting long for one that does not respond."""

    def __init__(self, disk: DiskSpace) -> None:
        self._disk = disk
        self._looking: asyncio.Task[str | None] | None = None

    async def beside(self, state: ServiceState) -> ServiceState:
        """Return the generators' state, marked degraded as well if no new job is accepted."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._disk.shortage))
        done, _ = await asyncio.wait({self._looking}, timeout=DISK_TIMEOUT_S)
        shortage = self._looking.result() if done else NO_RESPONSE
        return replace(state, degraded=(*state.degraded, shortage)) if shortage else state


async def service_state(graph: Graph, wanted: Mapping[str, int] | None = None) -> ServiceState:
    """Return the state of all generators. `wanted` is how many replicas each should have."""
    states = await asyncio.gather(*(_layer(graph, kind, wanted or {}) for kind in KINDS))
    return _all_of(states)


async def _layer(graph: Graph, kind: LayerKind, wanted: Mapping[str, int]) -> ServiceState:
    """Return the state of a layer: one generator that can paint is enough."""
    names = [name for name in graph.generators if name.partition(":")[0] == kind]
    # A generator scaled to zero starts at its first request, and a probe would be one.
    awake = [name for name in names if len(names) == 1 or not _asleep(graph, name, wanted)] or names
    states = await asyncio.gather(*(_state(graph, name, wanted.get(name, 0)) for name in awake))
    if all(state.unready for state in states):
        return _all_of(states)
    whole = _all_of(states)
    return ServiceState(degraded=(*whole.unready, *whole.degraded))


def _asleep(graph: Graph, name: str, wanted: Mapping[str, int]) -> bool:
    replicas = graph.replicas(name)
    return wanted.get(name) == 0 and (replicas is None or not replicas.routing_stats())


def _all_of(states: Iterable[ServiceState]) -> ServiceState:
    states = tuple(states)
    return ServiceState(
        tuple(text for state in states for text in state.unready),
        tuple(text for state in states for text in state.degraded),
    )


async def _state(graph: Graph, name: str, wanted: int) -> ServiceState:
    state = await _painting(graph, name)
    replicas = graph.replicas(name)
    runs = len(replicas.routing_stats()) if replicas is not None else 0
    if state == ServiceState() and 0 < runs < wanted:
        return ServiceState(degraded=(f"{name}: {runs} of {wanted} replicas are running",))
    return state


async def _painting(graph: Graph, name: str) -> ServiceState:
    """Judge a generator by its running replicas."""
    replicas = graph.replicas(name)
    reported = _judge_reports(name, replicas.routing_stats()) if replicas is not None else None
    if reported is not None:
        return reported
    runs = replicas is not None and len(replicas.routing_stats()) > 0
    try:
        reason = await _probe(graph, name, BUSY_TIMEOUT_S if runs else PROBE_TIMEOUT_S)
    except TimeoutError:
        replicas = graph.replicas(name)
        stats = replicas.routing_stats() if replicas is not None else ()
        if stats:
            return _busy(name, stats)
        reason = NONE_RUNS
    return ServiceState(unready=(f"{name}: {reason}",)) if reason else ServiceState()


def _judge_reports(name: str, stats: Sequence[RoutingStats | None]) -> ServiceState | None:
    """Judge by the replicas' own reports; None while these do not decide.

    They do not if a replica has not reported yet and all the others cannot paint.
    """
    known = [each for each in stats if each is not None]
    reasons = Counter(each.unready for each in known if each.unready)
    if not known or (len(known) < len(stats) and reasons.total() == len(known)):
        return None
    if not reasons:
        return ServiceState()
    if reasons.total() == len(known):
        return ServiceState(unready=(f"{name}: {_commonest(reasons)}",))
    return _degraded(name, reasons, len(stats))


def _busy(name: str, stats: Sequence[RoutingStats | None]) -> ServiceState:
    """Judge replicas too busy to respond to a probe. Some may have reported by now that they cannot paint."""
    reported = _judge_reports(name, stats)
    if reported is not None:
        return reported
    reasons = Counter(each.unready for each in stats if each is not None)
    return _degraded(name, reasons, len(stats)) if reasons else ServiceState()


def _degraded(name: str, reasons: Counter[str], replicas: int) -> ServiceState:
    count = f"{reasons.total()} of {replicas} replicas cannot paint"
    return ServiceState(degraded=(f"{name}: {count}: {_commonest(reasons)}",))


def _commonest(reasons: Counter[str]) -> str:
    """Return the most common text; among equally common ones, always the same."""
    return min(reasons, key=lambda text: (-reasons[text], text))


async def _probe(graph: Graph, name: str, timeout_s: float) -> str:
    """Return why a replica, whichever is called, cannot paint; empty if it can.

    Raises TimeoutError if none responds in time.
    """
    handle = graph.generators[name]
    response: Response = None
    try:
        async with asyncio.timeout(timeout_s):
            response = handle.readiness.remote()
            readiness: Readiness = await response
    except TimeoutError:
        response.cancel()
        raise
    except BackPressureError:
        return ""  # Its queue is full, so it paints.
    except Exception as error:  # A dying replica can raise anything. It is not ready, and the log says why.
        logger.warning("the readiness of the %s replicas could not be probed: %r", name, error)
        return "its replica is restarting"
    return "" if readiness.ready else readiness.reason
