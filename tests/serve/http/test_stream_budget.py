from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as some

from serve.http.error_responses import Refusal
from serve.http.stream_budget import MOST_LEAVING, OpenStream, StreamBudget

LASTS_S = 900.0


class Streams:
    """Opens streams, and keeps them open until they are recalled or closed."""

    def __init__(self, most: int, most_per_tenant: int) -> None:
        self.now = 0.0
        self.budget = StreamBudget(most, most_per_tenant, LASTS_S, lambda: self.now)
        self.open: list[tuple[OpenStream, ExitStack]] = []

    def send(self, tenant: str) -> OpenStream:
        self.now += 1
        held = ExitStack()
        stream = held.enter_context(self.budget.open(tenant))
        self.open.append((stream, held))
        self._drop_recalled()
        return stream

    def refused(self, tenant: str) -> Refusal | None:
        try:
            self.send(tenant)
        except Refusal as refusal:
            refused = refusal
        else:
            return None
        assert refused.status == 429
        assert refused.retry_after_s is not None
        assert 1 <= refused.retry_after_s <= 30
        return refused

    def count(self, tenant: str) -> int:
        return sum(stream.tenant == tenant for stream, _ in self.open)

    def close(self, index: int) -> None:
        self.open.pop(index)[1].close()

    def _drop_recalled(self) -> None:
        ended = [(stream, held) for stream, held in self.open if stream.recalled.is_set()]
        self.open = [each for each in self.open if each not in ended]
        for _, held in ended:
            held.close()


def test_a_tenant_has_so_many() -> None:
    streams = Streams(100, 3)
    assert [bool(streams.refused("a")) for _ in range(5)] == [False, False, False, True, True]
    assert not streams.refused("b")
    streams.close(0)
    assert not streams.refused("a")


def test_to_check_takes_nothing() -> None:
    streams = Streams(3, 2)
    for tenant in "aab":
        streams.send(tenant)
    for _ in range(3):
        assert streams.budget.check("c") is streams.open[0][0]
        with pytest.raises(Refusal):
            streams.budget.check("a")
    assert [streams.count(tenant) for tenant in "abc"] == [2, 1, 0]


def test_nobody_has_all_of_them() -> None:
    streams = Streams(10, 3)
    assert [bool(streams.refused("")) for _ in range(11)] == [False] * 10 + [True]


def test_many_tenants_cannot_keep_a_new_one_out() -> None:
    streams = Streams(32, 16)
    for number in range(20):
        while streams.count(f"tenant {number}") < 16 and not streams.refused(f"tenant {number}"):
            pass
    counts = [streams.count(f"tenant {number}") for number in range(20)]
    assert sum(counts) == 32
    assert set(counts) == {1, 2}, "the shares are max-min fair"
    first = next(stream for stream, _ in streams.open if streams.count(stream.tenant) == 2)
    assert not streams.refused("the newcomer")
    assert streams.count("the newcomer") == 1
    assert first.recalled.is_set(), "the oldest stream of a tenant with the most"


def test_a_tenant_does_not_take_its_own_or_an_equal_ones() -> None:
    streams = Streams(4, 4)
    for tenant in ("a", "a", "b", "b"):
        assert not streams.refused(tenant)
    assert streams.refused("a")
    assert not streams.refused("c")
    assert (streams.count("a"), streams.count("b"), streams.count("c")) == (1, 2, 1)
    refusal = streams.refused("a")
    assert refusal is not None
    assert refusal.code == "overloaded"


def test_streams_that_do_not_end_leave_their_places_to_few() -> None:
    budget = StreamBudget(100, 100, LASTS_S)
    with ExitStack() as held:
        mine = [held.enter_context(budget.open("a")) for _ in range(100)]
        for number in range(MOST_LEAVING):
            held.enter_context(budget.open(f"tenant {number}"))
        with pytest.raises(Refusal, match="to make room"), budget.open("one more"):
            pass
        assert sum(stream.recalled.is_set() for stream in mine) == MOST_LEAVING
    with budget.open("one more"):
        pass
    assert budget._leaving == 0


def test_retry_after_is_when_the_oldest_must_end() -> None:
    streams = Streams(1, 1)
    streams.send("a")
    streams.now += LASTS_S - 10
    refusal = streams.refused("b")
    assert refusal is not None
    assert refusal.retry_after_s == pytest.approx(9.0)


@given(some.lists(some.tuples(some.sampled_from("abcde"), some.booleans()), max_size=200))
def test_it_is_never_over_and_nothing_leaks(steps: list[tuple[str, bool]]) -> None:
    streams = Streams(6, 4)
    for tenant, closes in steps:
        if closes and streams.open:
            streams.close(0)
        else:
            streams.refused(tenant)
        assert len(streams.open) <= 6
        assert all(streams.count(each) <= 4 for each in "abcde")
    while streams.open:
        streams.close(0)
    assert streams.budget._open == {}
    assert [bool(streams.refused("a")) for _ in range(5)] == [False] * 4 + [True]
