"""Rows of uploaded pictures, in SQLite and in PostgreSQL: how long they last, and what removes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from serve.pictures import loose_pictures as loose
from serve.pictures.holds import hold, holds, release
from serve.pictures.picture_store import Held, KeptPicture, PictureStore, forget_expired
from serve.state.picture_tables import loose_pictures
from serve.state.storage_budget import StorageBudget, StorageFull, stored

NOW, DAY_S = 1_000_000.0, 86_400.0
A_LOT = StorageBudget(1 << 30, 1_000)
Keep = Callable[..., float]


def a_picture(name: str = "a" * 64, size: int = 500) -> KeptPicture:
    return KeptPicture(name=name, width=30, height=20, bytes=size)


@pytest.fixture
def store(engine: Engine) -> PictureStore:
    return PictureStore(engine, DAY_S, max_kept=3)


@pytest.fixture
def keep(store: PictureStore) -> Keep:
    def make(owner: str = "a", name: str = "a" * 64, now: float = NOW) -> float:
        token = store.begin(owner, a_picture(name), A_LOT, now)
        return store.keep(owner, a_picture(name), token, now, A_LOT).expires_at

    return make


def dropped(engine: Engine, now: float) -> list[str]:
    """Tidy every noted picture; return the files that are dropped."""
    gone: list[str] = []
    with engine.connect() as connection:
        tokens = list(connection.execute(select(loose_pictures.c.token)).scalars())
    for token in tokens:
        loose.tidy(engine, token, gone.append, now)
    return gone


def test_a_picture_lasts_a_day_from_its_last_upload(store: PictureStore, keep: Keep) -> None:
    assert keep() == NOW + DAY_S
    assert keep(now=NOW + 100) == NOW + DAY_S + 100
    assert store.find("a", ["a" * 64], NOW + DAY_S + 99)["a" * 64].width == 30
    assert store.find("a", ["a" * 64], NOW + DAY_S + 101) == {}
    assert store.find("b", ["a" * 64], NOW) == {}


def test_what_has_expired_is_forgotten_and_its_file_dropped(engine: Engine, keep: Keep) -> None:
    keep(name="a" * 64)
    keep(name="b" * 64, now=NOW + 100)
    assert forget_expired(engine, now=NOW + DAY_S) == 1
    assert dropped(engine, NOW + DAY_S) == ["a" * 64]
    assert forget_expired(engine, now=NOW + DAY_S) == 0


def test_a_file_that_another_tenant_has_too_stays(engine: Engine, store: PictureStore, keep: Keep) -> None:
    keep("a"), keep("b")
    assert store.remove("a", "a" * 64, NOW)
    assert dropped(engine, NOW) == []
    assert store.remove("b", "a" * 64, NOW)
    assert dropped(engine, NOW) == ["a" * 64]
    assert store.remove("b", "a" * 64, NOW) is None


def test_what_is_held_neither_expires_nor_is_removed_until_it_is_released(
    engine: Engine, store: PictureStore, keep: Keep
) -> None:
    keep()
    with engine.begin() as connection:
        assert hold(connection, "job:1", "a", ["a" * 64, "c" * 64], NOW) == {"c" * 64}
    assert holds(engine, "job:1", "a", "a" * 64)
    assert not holds(engine, "job:1", "b", "a" * 64)
    assert not holds(engine, "job:2", "a", "a" * 64)
    assert not holds(engine, "job:1", "a", "c" * 64)
    late = NOW + 2 * DAY_S
    assert forget_expired(engine, now=late) == 0 and store.find("a", ["a" * 64], late)
    with pytest.raises(Held):
        store.remove("a", "a" * 64, late)
    with engine.begin() as connection:
        release(connection, "job:1")
    assert forget_expired(engine, now=late) == 1


def test_the_number_and_the_bytes_are_bounded(engine: Engine, store: PictureStore, keep: Keep) -> None:
    for name in "abc":
        keep(name=64 * name)
    with pytest.raises(StorageFull, match="3 uploaded pictures"):
        store.begin("a", a_picture("d" * 64), A_LOT, NOW)
    with engine.connect() as connection:
        assert stored(connection, "a") == (3, 1_500)
    with pytest.raises(StorageFull, match="bytes"):
        store.begin("b", a_picture(size=5_000), StorageBudget(4_000, 10), NOW)


def test_uploads_at_once_take_no_more_room_than_there_is(engine: Engine, store: PictureStore) -> None:
    names = [f"{number:064x}" for number in range(8)]
    tokens = [store.begin("a", a_picture(name), A_LOT, NOW) for name in names]

    def keep(name: str, token: str) -> bool:
        try:
            return store.keep("a", a_picture(name), token, NOW, A_LOT).is_new
        except StorageFull:
            return False

    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(keep, names, tokens))
    assert sum(kept) == 3
    with engine.connect() as connection:
        assert stored(connection, "a") == (3, 1_500)
    assert len(dropped(engine, NOW)) == 5, "the others' files are dropped"


def test_what_was_kept_in_vain_is_deleted_unless_it_is_wanted_by_now(
    engine: Engine, store: PictureStore
) -> None:
    def keep(now: float) -> KeptPicture:
        token = store.begin("a", a_picture(), A_LOT, now)
        return store.keep("a", a_picture(), token, now, A_LOT)

    first = keep(NOW)
    second = keep(NOW + 1)
    assert (first.is_new, second.is_new) == (True, False)
    assert store.undo("a", second) is None, "the picture existed before"
    assert store.undo("a", first) is None, "it was uploaded again"
    store.remove("a", "a" * 64, NOW)
    third = keep(NOW + 2)
    with engine.begin() as connection:
        hold(connection, "job:1", "a", ["a" * 64], NOW)
    assert store.undo("a", third) is None, "a job holds it"
    with engine.begin() as connection:
        release(connection, "job:1")
    assert store.undo("b", third) is None
    assert store.undo("a", third) and store.find("a", ["a" * 64], NOW) == {}
    assert dropped(engine, NOW) == ["a" * 64]


def test_a_picture_whose_file_was_never_written_leaves_a_note_alone(
    engine: Engine, store: PictureStore
) -> None:
    store.begin("a", a_picture(), A_LOT, NOW)
    assert store.find("a", ["a" * 64], NOW) == {}
    assert dropped(engine, NOW) == ["a" * 64]


def test_the_same_picture_uploaded_twice_at_once_is_kept_for_both(
    engine: Engine, store: PictureStore
) -> None:
    tokens = [store.begin("a", a_picture(), A_LOT, NOW) for _ in range(2)]
    first_is_in, other_is_there, others = threading.Event(), threading.Event(), ThreadPoolExecutor(1)

    def note_other(*_: object) -> None:
        if first_is_in.is_set() and threading.current_thread() is not threading.main_thread():
            other_is_there.set()

    def wait_for_other(_: Any, __: Any, statement: str, *rest: object) -> None:
        if statement.startswith("INSERT INTO pictures") and not first_is_in.is_set():
            first_is_in.set()
            other.append(others.submit(store.keep, "a", a_picture(), tokens[1], NOW + 1, A_LOT))
            # The other upload then waits for this row, or for the database.
            assert other_is_there.wait(60), "the other upload never began"

    other: list[Future[KeptPicture]] = []
    event.listen(engine, "before_cursor_execute", note_other)
    event.listen(engine, "after_cursor_execute", wait_for_other)
    try:
        assert store.keep("a", a_picture(), tokens[0], NOW, A_LOT).expires_at == NOW + DAY_S
        again = other[0].result(timeout=60)
        assert (again.expires_at, again.is_new) == (NOW + 1 + DAY_S, False)
    finally:
        event.remove(engine, "after_cursor_execute", wait_for_other)
        event.remove(engine, "before_cursor_execute", note_other)
        others.shutdown()
    assert store.find("a", ["a" * 64], NOW)["a" * 64].expires_at == NOW + 1 + DAY_S


def test_pictures_are_locked_in_one_order_by_every_process(engine: Engine) -> None:
    names, asked = [f"{number:064x}" for number in range(20)], list[str]()

    def note(_: Any, __: Any, statement: str, parameters: Any, *rest: object) -> None:
        values = parameters.values() if isinstance(parameters, dict) else parameters
        asked.extend(value for value in values if value in names)

    event.listen(engine, "before_cursor_execute", note)
    try:
        with engine.begin() as connection:
            assert hold(connection, "job:1", "a", reversed(names), NOW) == set(names)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert asked == names
