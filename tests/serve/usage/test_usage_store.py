from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date

from sqlalchemy import Engine

from deployments.messages import Usage
from serve.graph.bill import Used
from serve.usage import usage_store

DAY_S = 86_400.0
FIRST = date(1970, 1, 1)
LAST = date(2100, 1, 1)


def add(engine: Engine, who: tuple[str, str], now: float, pictures: int = 1) -> None:
    with engine.begin() as connection:
        usage_store.add(connection, {who: Used(pictures, Usage(2.5, 0.5))}, now)


def test_a_day_and_a_key_are_one_row(engine: Engine) -> None:
    for now, key in ((10.0, "k1"), (20.0, "k1"), (30.0, "k2"), (DAY_S + 1, "k1")):
        add(engine, ("a", key), now)
    add(engine, ("b", "k9"), 10.0)
    rows = usage_store.listed(engine, "a", FIRST, LAST, None, 10)
    assert [(row.day.isoformat(), row.key, row.used.pictures) for row in rows] == [
        ("1970-01-02", "k1", 1),
        ("1970-01-01", "k1", 2),
        ("1970-01-01", "k2", 1),
    ]
    assert usage_store.total(engine, "a", FIRST, LAST, None) == Used(4, Usage(10.0, 2.0))
    assert usage_store.total(engine, "a", FIRST, FIRST, "k1") == Used(2, Usage(5.0, 1.0))
    assert usage_store.total(engine, "nobody", FIRST, LAST, None) == Used()


def test_writers_at_once_lose_nothing(engine: Engine) -> None:
    def write(number: int) -> None:
        with engine.begin() as connection:
            keys = [f"k{n}" for n in range(4)]
            in_some_order = keys if number % 2 else keys[::-1]
            usage_store.add(connection, {("a", key): Used(1, Usage(1.0, 1.0)) for key in in_some_order}, 5.0)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(8)))
    assert usage_store.total(engine, "a", FIRST, LAST, None) == Used(32, Usage(32.0, 32.0))


def test_old_days_are_forgotten(engine: Engine) -> None:
    now = (usage_store.KEPT_DAYS + 10) * DAY_S
    for day in (5, 20, usage_store.KEPT_DAYS):
        add(engine, ("a", ""), day * DAY_S)
    assert usage_store.forget(engine, now) == 1
    assert usage_store.total(engine, "a", FIRST, LAST, None).pictures == 2


def test_a_transaction_that_is_rolled_back_adds_nothing(engine: Engine) -> None:
    with suppress(RuntimeError), engine.begin() as connection:
        usage_store.add(connection, {("a", ""): Used(1)}, 5.0)
        raise RuntimeError
    assert usage_store.total(engine, "a", FIRST, LAST, None) == Used()
