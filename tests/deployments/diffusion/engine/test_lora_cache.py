"""LoRAs on the device: a small cache, read while pictures are painted, evicting the least recently used."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from deployments.diffusion.engine.lora_cache import SLICE_S, LoraCache
from deployments.diffusion.lora_weights import LoraWeights
from deployments.errors import DeadlineExceeded, InternalError, InvalidRequest, OutOfMemory
from deployments.messages import LoraUse
from tests.support.polling import eventually

SLOTS = 8


def use(name: str) -> LoraUse:
    return LoraUse(name=name, sha256=f"hash of {name}", param=f"loras.{name}")


class Disk:
    """Serve LoRAs of one byte, or 9 for `huge`; `bad` and `torn` cannot be read. `gate` delays reading."""

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()

    def size_of(self, asked: LoraUse) -> int:
        return 9 if asked.name == "huge" else 1

    def weights(self, asked: LoraUse) -> LoraWeights:
        assert self.gate.wait(30)
        self.read[asked.name] += 1
        if asked.name == "bad":
            raise InvalidRequest("the LoRA bad does not fit")
        if asked.name == "torn":
            raise ValueError("a path of this machine")
        return LoraWeights({"unet": {asked.name: None}}, 1)

    def cache(self, slots: int = SLOTS) -> LoraCache:
        return LoraCache(self.size_of, self.weights, slots)


def soon(seconds: float = 30) -> float:
    return time.monotonic() + seconds


@asynccontextmanager
async def lent(cache: LoraCache, *names: str) -> AsyncIterator[list[str]]:
    async with cache.lent([use(name) for name in names], soon()) as loras:
        yield [next(iter(lora.weights.networks["unet"])) for lora in loras]


async def test_two_hundred_names_over_eight_slots_are_never_mixed_up() -> None:
    disk, dice = Disk(), random.Random(3)
    cache = disk.cache()
    most = 0

    async def picture(names: list[str]) -> None:
        nonlocal most
        async with lent(cache, *names) as given:
            assert given == names
            most = max(most, cache.size_bytes)
            await asyncio.sleep(0)
            assert given == names

    asked = [[f"style {dice.randrange(200)}" for _ in range(dice.choice((1, 1, 1, 3)))] for _ in range(600)]
    await asyncio.gather(*map(picture, asked))
    assert most == SLOTS and cache.size_bytes <= SLOTS
    assert set(disk.read) == {name for names in asked for name in names}


async def test_what_is_held_is_read_once_and_the_least_recently_used_goes_first() -> None:
    disk = Disk()
    cache = disk.cache(2)
    for name in ("a", "b", "a", "c", "a", "b"):
        async with lent(cache, name):
            pass
    assert disk.read == {"a": 1, "b": 2, "c": 1}
    assert cache.hashes() == ("hash of a", "hash of b")
    cache.drop_unused()
    assert cache.size_bytes == 0


async def test_one_that_many_wait_for_is_read_once() -> None:
    disk = Disk()
    cache = disk.cache()
    disk.gate.clear()

    async def picture() -> list[str]:
        async with lent(cache, "a") as given:
            return given

    waiting = [asyncio.create_task(picture()) for _ in range(5)]
    await eventually(lambda: bool(cache.hashes()))
    waiting[0].cancel()
    disk.gate.set()
    assert await asyncio.gather(*waiting[1:]) == [["a"]] * 4 and disk.read == {"a": 1}


async def test_reading_keeps_the_interpreter_from_others_for_moments_only() -> None:
    disk, slices = Disk(), list[float]()
    cache = LoraCache(
        disk.size_of, lambda asked: slices.append(sys.getswitchinterval()) or disk.weights(asked), 2
    )
    before = sys.getswitchinterval()
    for name in ("a", "bad"):
        with suppress(InvalidRequest):
            async with cache.lent([use(name)], soon()):
                pass
    assert slices == [pytest.approx(SLICE_S)] * 2 and sys.getswitchinterval() == before > SLICE_S


async def test_those_in_use_stay_and_a_picture_waits_for_room_until_its_deadline() -> None:
    cache = Disk().cache(2)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(lent(cache, "a", "b"))
        with pytest.raises(DeadlineExceeded):
            async with cache.lent([use("c")], soon(0.01)):
                raise AssertionError("it was lent without room")
        assert cache.hashes() == ("hash of a", "hash of b")
        async with lent(cache, "b", "a") as given:  # Nothing is waiting now.
            assert given == ["b", "a"]
    async with lent(cache, "c") as given:
        assert given == ["c"]


async def test_those_that_wait_come_in_their_order() -> None:
    cache, order = Disk().cache(2), list[str]()

    async def picture(*names: str) -> None:
        async with lent(cache, *names):
            order.append(names[0])

    async with lent(cache, "a"):
        both = asyncio.create_task(picture("b", "c"))
        await eventually(lambda: len(cache._waiting) == 1)
        small = asyncio.create_task(picture("d"))
        await eventually(lambda: len(cache._waiting) == 2)
    await asyncio.gather(both, small)
    assert order == ["b", "d"], "otherwise a large request would wait for ever"


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("bad", InvalidRequest, "the LoRA bad does not fit"),
        ("torn", InternalError, "the LoRA torn could not be read"),
        (
            "huge",
            InvalidRequest,
            "its LoRAs need 1e-05 MB of memory, but those of all pictures may use only 8e-06 MB",
        ),
    ],
)
async def test_what_cannot_be_read_fails_its_picture_alone(
    name: str, kind: type[Exception], said: str
) -> None:
    disk = Disk()
    cache = disk.cache()
    for again in (1, 2):
        with pytest.raises(kind, match=said) as raised:
            async with lent(cache, "a", name):
                raise AssertionError("it was lent")
        if kind is InvalidRequest:
            assert raised.value.param == ("loras" if name == "huge" else f"loras.{name}")  # type: ignore[attr-defined]
        assert disk.read[name] == (0 if name == "huge" else again), "its file may have changed"
    async with lent(cache, "a") as given:
        assert given == ["a"]
    assert all(not held.users for held in cache._held.values()) and not cache._waiting


async def test_without_room_what_nobody_uses_is_dropped_and_it_is_read_once_more() -> None:
    disk = Disk()
    held: set[str] = set()

    def with_room_for_two(asked: LoraUse) -> LoraWeights:
        disk.read[asked.name] += 1
        held.intersection_update(cache.hashes())
        if len(held) == 2:
            raise OutOfMemory("no room")
        held.add(asked.sha256)
        return LoraWeights({"unet": {asked.name: None}}, 1)

    cache = LoraCache(disk.size_of, with_room_for_two, SLOTS)
    async with lent(cache, "a"):
        async with lent(cache, "b"):
            pass
        async with lent(cache, "c") as given:
            assert given == ["c"] and cache.hashes() == ("hash of a", "hash of c")
            for again in (1, 2):
                with pytest.raises(OutOfMemory):
                    async with lent(cache, "d"):
                        raise AssertionError("it was lent although both others are in use")
                assert disk.read["d"] == again, "there was nothing to drop"
    assert disk.read["c"] == 2
    assert cache.drop_unused() and not cache.drop_unused()


async def test_any_thread_may_have_it_drop_what_nobody_uses() -> None:
    cache, over = Disk().cache(), threading.Event()

    def drop_again_and_again() -> None:
        while not over.is_set():
            cache.drop_unused()

    dropping = threading.Thread(target=drop_again_and_again)
    dropping.start()

    async def picture(name: str) -> None:
        async with lent(cache, name, "a") as given:
            assert given == [name, "a"]
            await asyncio.sleep(0)
            assert {f"hash of {name}", "hash of a"} <= set(cache.hashes())

    try:
        await asyncio.gather(*(picture(f"style {number % 20}") for number in range(200)))
    finally:
        over.set()
        dropping.join()
