from __future__ import annotations

import asyncio

import pytest

from serve.graph.readiness import ServiceState
from serve.graph.readiness_checks import MOST_WAITING, UNKNOWN, ReadinessChecks

DEGRADED = ServiceState(degraded=("character: 1 of 2 replicas cannot paint: unet is missing",))


class Replicas:
    """Replicas that respond once `responses` is set."""

    def __init__(self) -> None:
        self.requested = 0
        self.responses = asyncio.Event()
        self.state: ServiceState | Exception = ServiceState()

    async def send(self) -> ServiceState:
        self.requested += 1
        await self.responses.wait()
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


async def loop_iterations() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_checks_probe_once_and_few_of_them_wait() -> None:
    replicas = Replicas()
    checks = ReadinessChecks(replicas.send)
    requested = [asyncio.ensure_future(checks.state()) for _ in range(500)]
    await loop_iterations()
    assert sum(not check.done() for check in requested) == MOST_WAITING
    assert {check.result() for check in requested if check.done()} == {UNKNOWN}
    replicas.responses.set()
    assert (await asyncio.gather(*requested))[:MOST_WAITING] == [ServiceState()] * MOST_WAITING
    assert replicas.requested == 1
    replicas.responses.clear()
    later = [asyncio.ensure_future(checks.state()) for _ in range(500)]
    await loop_iterations()
    assert {check.result() for check in later if check.done()} == {ServiceState()}, "the last known state"
    replicas.state = DEGRADED
    replicas.responses.set()
    assert (await asyncio.gather(*later))[0] == DEGRADED
    assert replicas.requested == 2


async def test_one_that_leaves_takes_the_answer_from_nobody() -> None:
    replicas = Replicas()
    checks = ReadinessChecks(replicas.send)
    first, second = (asyncio.ensure_future(checks.state()) for _ in range(2))
    await loop_iterations()
    first.cancel()
    await loop_iterations()
    replicas.responses.set()
    assert await second == ServiceState()
    assert replicas.requested == 1


async def test_a_fault_is_probed_again() -> None:
    replicas = Replicas()
    replicas.responses.set()
    replicas.state = RuntimeError("a bug")
    checks = ReadinessChecks(replicas.send)
    with pytest.raises(RuntimeError):
        await checks.state()
    replicas.state = ServiceState()
    assert await checks.state() == ServiceState()
