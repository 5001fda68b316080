"""Rows of the cast, in SQLite and in PostgreSQL: versions, limits, and the pictures that members keep."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Engine, select

from serve.cast.cast_store import CastStore, NameTaken, OtherVersion, PicturesGone, TooMany
from serve.pictures.holds import hold
from serve.pictures.picture_store import Held, KeptPicture, PictureStore, forget_expired
from serve.state.picture_tables import cast_members, picture_holds
from serve.state.storage_budget import StorageBudget

NOW, DAY_S = 1_000_000.0, 86_400.0
LATE = NOW + 10 * DAY_S
A, B = "a" * 64, "b" * 64


def body(*references: str, **other: Any) -> dict[str, Any]:
    return {
        "description": "a girl",
        "references": list(references),
        "seed": 7,
        "negative_prompt": None,
        **other,
    }


@pytest.fixture
def cast(engine: Engine) -> CastStore:
    return CastStore(engine, max_members=3)


@pytest.fixture
def pictures(engine: Engine) -> PictureStore:
    store = PictureStore(engine, DAY_S, max_kept=9)
    for owner in ("a", "b"):
        for name in (A, B):
            picture = KeptPicture(name=name, width=30, height=20, bytes=500)
            token = store.begin(owner, picture, StorageBudget(1 << 30, 1_000), NOW)
            store.keep(owner, picture, token, NOW)
    return store


def test_what_is_kept_comes_back_and_counts_up(cast: CastStore, pictures: PictureStore) -> None:
    first = cast.add("a", "mira", body(A), NOW)
    assert (first.version, first.description, first.references, first.seed) == (1, "a girl", (A,), 7)
    second = cast.replace("a", "mira", body(description="a boy"), now=NOW + 5)
    assert second is not None
    assert (second.version, second.description, second.references) == (2, "a boy", ())
    assert (second.created_at, second.updated_at, second.id) == (NOW, NOW + 5, first.id)
    assert cast.find("a", ["mira", "nobody"]) == {"mira": second}


def test_another_owner_has_none_of_it(cast: CastStore) -> None:
    cast.add("a", "mira", body())
    assert cast.find("b", ["mira"]) == {} and cast.page("b", 9) == []
    assert cast.replace("b", "mira", body()) is None and cast.remove("b", "mira") is None
    assert cast.add("b", "mira", body(description="hers")).version == 1
    assert cast.find("a", ["mira"])["mira"].description == "a girl"


def test_a_name_is_taken_once_and_members_are_bounded(cast: CastStore) -> None:
    cast.add("a", "m0", body())
    with pytest.raises(NameTaken):
        cast.add("a", "m0", body())
    cast.add("a", "m1", body())
    cast.add("a", "m2", body())
    with pytest.raises(TooMany):
        cast.add("a", "m3", body())
    cast.add("b", "m3", body())
    assert [member.name for member in cast.page("a", 2)] == ["m0", "m1"]
    assert [member.name for member in cast.page("a", 9, "m1")] == ["m2"]
    cast.remove("a", "m0")
    cast.add("a", "m3", body())


def test_many_at_once_are_bounded_too(cast: CastStore, engine: Engine) -> None:
    def add(number: int) -> None:
        with suppress(TooMany, NameTaken):
            cast.add("a", f"m{number % 6}", body())

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(12)))
    assert len(cast.page("a", 99)) == 3


def test_only_the_expected_version_is_changed(cast: CastStore) -> None:
    first = cast.add("a", "mira", body())
    assert cast.replace("a", "mira", body(seed=1), version=1) is not None
    for stale in ({"version": 1}, {"tags": [first.tag]}, {"tags": []}):
        with pytest.raises(OtherVersion):
            cast.replace("a", "mira", body(seed=9), **stale)
    with pytest.raises(OtherVersion):
        cast.remove("a", "mira", [first.tag])
    kept = cast.find("a", ["mira"])["mira"]
    assert (kept.version, kept.seed) == (2, 1)
    assert cast.replace("a", "mira", body(seed=3), tags=["other", kept.tag]) is not None


def test_of_two_who_change_one_version_one_is_refused(cast: CastStore) -> None:
    cast.add("a", "mira", body())

    def change(seed: int) -> bool:
        try:
            return cast.replace("a", "mira", body(seed=seed), version=1) is not None
        except OtherVersion:
            return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(change, range(4))) == 1
    assert cast.find("a", ["mira"])["mira"].version == 2


def test_a_member_of_the_same_name_later_is_another_one(cast: CastStore) -> None:
    first = cast.add("a", "mira", body())
    cast.remove("a", "mira")
    again = cast.add("a", "mira", body())
    assert again.version == first.version and again.tag != first.tag
    with pytest.raises(OtherVersion):
        cast.replace("a", "mira", body(), tags=[first.tag])


def test_its_pictures_last_as_long_as_it_does(
    cast: CastStore, pictures: PictureStore, engine: Engine
) -> None:
    cast.add("a", "mira", body(A), NOW)
    forget_expired(engine, now=LATE)
    assert set(pictures.find("a", [A, B], LATE)) == {A}
    with pytest.raises(Held):
        pictures.remove("a", A, LATE)
    changed = cast.replace("a", "mira", body(A, seed=1), now=LATE)
    assert changed is not None and changed.references == (A,), "still kept, although it is older than a day"
    removed = cast.remove("a", "mira", now=LATE)
    assert removed is not None and len(removed[1]) == 1
    assert pictures.find("a", [A], NOW) == {}
    with engine.connect() as connection:
        assert connection.execute(select(picture_holds)).all() == []
        assert connection.execute(select(cast_members)).all() == []


def test_pictures_that_others_hold_stay_until_they_let_go(
    cast: CastStore, pictures: PictureStore, engine: Engine
) -> None:
    cast.add("a", "mira", body(A), NOW)
    cast.add("a", "tom", body(A, B), NOW)
    cast.add("b", "mira", body(A), NOW)
    with engine.begin() as connection:
        assert hold(connection, "job:1", "a", [B], NOW) == set()
    removed = cast.remove("a", "tom", now=NOW)
    assert removed is not None and removed[1] == []
    assert set(pictures.find("a", [A, B], NOW + 1)) == {A, B}
    removed = cast.remove("a", "mira", now=NOW + 2)
    assert removed is not None and len(removed[1]) == 1
    assert set(pictures.find("a", [A, B], NOW + 3)) == {B}
    assert set(pictures.find("b", [A], NOW + 3)) == {A}, "an equal picture of another owner"


def test_a_reference_that_is_not_there_keeps_nothing(cast: CastStore, pictures: PictureStore) -> None:
    with pytest.raises(PicturesGone):
        cast.add("a", "mira", body("c" * 64), NOW)
    assert cast.page("a", 9) == []
    cast.add("a", "mira", body(A), NOW)
    with pytest.raises(PicturesGone):
        cast.replace("a", "mira", body("c" * 64), now=NOW)
    kept = cast.find("a", ["mira"])["mira"]
    assert (kept.version, kept.references) == (1, (A,))
    with pytest.raises(Held):
        pictures.remove("a", A, NOW)


def test_what_a_change_leaves_out_is_released(
    cast: CastStore, pictures: PictureStore, engine: Engine
) -> None:
    cast.add("a", "mira", body(A, B), NOW)
    cast.replace("a", "mira", body(B), now=NOW)
    forget_expired(engine, now=LATE)
    assert set(pictures.find("a", [A, B], LATE)) == {B}
