"""Say whether the service can paint, and if not, why.

A generator is ready where one of its replicas is: the others get no work until they are. What each replica
says of itself arrives here every second (deployments/reports/routing_stats.py), so the answer does not depend
on which of them answers, nor on how busy they are. Only before they have said anything is one called.
A replica runs only once it has loaded its model or can say why not, and one that cannot paint gets no
work and answers at once. So where replicas run and none has time to answer, they are painting: busy is ready.

A layer with several models can be painted while one of them can: the service is then degraded, and requests
for another one are refused by its own replicas.
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
"""The limit for replicas that run: the probes of a kubelet give up after a second."""
DISK_TIMEOUT_S = 0.2
NO_RESPONSE = "jobs: the disk that holds them does not answer"
NONE_RUNS = "no replica is running: one is loading its model, or waits for a place"
KINDS: tuple[LayerKind, ...] = ("character", "background")


@dataclass(frozen=True)
class ServiceState:
    """One sentence for each generator that cannot paint, and for each that can do so with fewer replicas."""

    unready: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()


class DiskCheck:
    """Look at the disk that jobs are kept on, and never wait long for one that does not answer."""

    def __init__(self, disk: DiskSpace) -> None:
        self._disk = disk
        self._looking: asyncio.Task[str | None] | None = None

    async def beside(self, state: ServiceState) -> ServiceState:
        """Return the state of the generators, degraded too where no new job is taken."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._disk.shortage))
        done, _ = await asyncio.wait({self._looking}, timeout=DISK_TIMEOUT_S)
        shortage = self._looking.result() if done else NO_RESPONSE
        return replace(state, degraded=(*state.degraded, shortage)) if shortage else state


async def service_state(graph: Graph, wanted: Mapping[str, int] | None = None) -> ServiceState:
    """Return the state of all generators, each of which is to have as many replicas as are `wanted`."""
    states = await asyncio.gather(*(_layer(graph, kind, wanted or {}) for kind in KINDS))
    return _all_of(states)


async def _layer(graph: Graph, kind: LayerKind, wanted: Mapping[str, int]) -> ServiceState:
    """Return the state of a layer: one generator that can paint is enough."""
    names = [name for name in graph.generators if name.partition(":")[0] == kind]
    # One that may have no replicas starts with its first request: a probe would be one.
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
        return ServiceState(degraded=(f"{name}: {runs} of {wanted} replicas run",))
    return state


async def _painting(graph: Graph, name: str) -> ServiceState:
    """Judge the replicas that run."""
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
    """Judge by the replicas' own reports; None where none of them has reported yet."""
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
    """Judge replicas of which none had time to answer; some may have said by now that they cannot paint."""
    reported = _judge_reports(name, stats)
    if reported is not None:
        return reported
    reasons = Counter(each.unready for each in stats if each is not None)
    return _degraded(name, reasons, len(stats)) if reasons else ServiceState()


def _degraded(name: str, reasons: Counter[str], replicas: int) -> ServiceState:
    count = f"{reasons.total()} of {replicas} replicas cannot paint"
    return ServiceState(degraded=(f"{name}: {count}: {_commonest(reasons)}",))


def _commonest(reasons: Counter[str]) -> str:
    """Return the commonest text; of equally common ones always the same."""
    return min(reasons, key=lambda text: (-reasons[text], text))


async def _probe(graph: Graph, name: str, timeout_s: float) -> str:
    """Return what any one replica says; empty where it can paint.

    Raises TimeoutError where none has time to answer.
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
    except Exception as error:  # A replica raises whatever it died of: it is not ready, and why is logged.
        logger.warning("the readiness of no %s replica could be probed: %r", name, error)
        return "its replica is restarting"
    return "" if readiness.ready else readiness.reason
