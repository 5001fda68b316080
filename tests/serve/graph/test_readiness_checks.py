from __future__ import annotations

import asyncio

import pytest

from serve.graph.readiness import ServiceState
from serve.graph.readiness_checks import MOST_WAITING, UNKNOWN, ReadinessChecks

DEGRADED = ServiceState(degraded=("character: 1 of 2 replicas cannot paint: unet is missing",))


class Replicas:
    """Answers once `answers` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = asyncio.Event()
        self.state: ServiceState | Exception = ServiceState()

    async def ask(self) -> ServiceState:
        self.asked += 1
        await self.answers.wait()
        if isinstance(self.state, Exception):
            raise self.state
        return self.state


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_checks_ask_once_and_few_of_them_wait() -> None:
    replicas = Replicas()
    checks = ReadinessChecks(replicas.ask)
    asked = [asyncio.ensure_future(checks.state()) for _ in range(500)]
    await turns()
    assert sum(not check.done() for check in asked) == MOST_WAITING
    assert {check.result() for check in asked if check.done()} == {UNKNOWN}
    replicas.answers.set()
    assert (await asyncio.gather(*asked))[:MOST_WAITING] == [ServiceState()] * MOST_WAITING
    assert replicas.asked == 1
    replicas.answers.clear()
    later = [asyncio.ensure_future(checks.state()) for _ in range(500)]
    await turns()
    assert {check.result() for check in later if check.done()} == {ServiceState()}, "the last that is known"
    replicas.state = DEGRADED
    replicas.answers.set()
    assert (await asyncio.gather(*later))[0] == DEGRADED
    assert replicas.asked == 2


async def test_one_that_leaves_takes_the_answer_from_nobody() -> None:
    replicas = Replicas()
    checks = ReadinessChecks(replicas.ask)
    first, second = (asyncio.ensure_future(checks.state()) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    replicas.answers.set()
    assert await second == ServiceState()
    assert replicas.asked == 1


async def test_a_fault_is_asked_about_again() -> None:
    replicas = Replicas()
    replicas.answers.set()
    replicas.state = RuntimeError("a bug")
    checks = ReadinessChecks(replicas.ask)
    with pytest.raises(RuntimeError):
        await checks.state()
    replicas.state = ServiceState()
    assert await checks.state() == ServiceState()
