from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from serve.jobs.job_ids import new_job_id
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import Claim
from serve.pictures import loose_pictures as loose
from tests.support.databases import clear
from tests.support.job_rows import New, submit
from tests.support.polling import until

ERROR = {"code": "c", "message": "m"}


def dropped(leases: Leases, noted_before: float = 1e9) -> set[str]:
    """Tidy the pictures that may have no scene; return those that were dropped."""
    pictures: set[str] = set()
    for token in loose.old(leases._engine, 0.0, now=noted_before):
        loose.tidy(leases._engine, token, pictures.add, 1e6)
    return pictures


def test_scenes_in_order_and_each_once(store: JobStore, leases: Leases, new: New) -> None:
    early, late = submit(store, new(2), now=1), submit(store, new(1), now=2)
    claims = [leases.claim(3) for _ in range(4)]
    assert claims[3] is None
    assert [(c.job_id, c.number) for c in claims if c] == [(early, 0), (early, 1), (late, 0)]
    assert len({c.lease for c in claims if c}) == 3


def test_the_caller_with_the_fewest_under_way_is_next(store: JobStore, leases: Leases, new: New) -> None:
    submit(store, new(100), owner="many", now=1)
    small = submit(store, new(2), owner="few", now=2)
    order = [claim.job_id == small for _ in range(5) if (claim := leases.claim(3))]
    assert order == [False, True, False, True, False]


def test_workers_at_once_never_hold_the_same_scene(store: JobStore, leases: Leases, new: New) -> None:
    submit(store, new(24))
    with ThreadPoolExecutor(4) as pool:
        claims = list(pool.map(lambda _: leases.claim(1), range(32)))
    numbers = [claim.number for claim in claims if claim]
    assert len(numbers) == len(set(numbers))
    while claim := leases.claim(1):  # PostgreSQL may have skipped rows that other claims had locked.
        numbers.append(claim.number)
    assert sorted(numbers) == list(range(24))


def test_a_renewed_lease_holds_and_another_runs_out(store: JobStore, leases: Leases, new: New) -> None:
    submit(store, new(2))
    kept, lost = leases.claim(0), leases.claim(0)
    assert kept and lost
    assert leases.renew([kept.lease], 8) == {kept.lease}
    assert leases.recover(12) == 1
    assert leases.renew([kept.lease, lost.lease], 12) == {kept.lease}
    again = leases.claim(12)
    assert again and again.number == lost.number and again.job == lost.job
    assert not leases.succeed(lost.lease, "late", "jpeg", {}, 13), (
        "the worker that was presumed dead came back"
    )
    assert leases.succeed(again.lease, "p", "jpeg", {}, 14)
    assert not leases.succeed(again.lease, "twice", "jpeg", {}, 15)
    assert (scene := store.scene("me", again.job_id, again.number)) and scene.picture == "p"


def test_a_clock_that_is_set_back_keeps_nothing_waiting(store: JobStore, leases: Leases, new: New) -> None:
    submit(store, new(2))
    kept, lost = leases.claim(100_000), leases.claim(100_000)
    assert kept and lost
    assert leases.renew([kept.lease], 1_000) == {kept.lease}
    assert leases.recover(1_000) == 1, "the lost worker's scene, long before its lease would end"
    again = leases.claim(1_000)
    assert again and again.number == lost.number
    assert leases.put_back(again.lease, 99_000, 1_000)
    assert leases.claim(99_000) is None
    assert leases.claim(1_000), "a wait of a second does not become a day"


def test_three_attempts_and_no_more(store: JobStore, leases: Leases, new: New) -> None:
    job_id = submit(store, new(1))
    for attempt in range(3):
        claim = leases.claim(attempt * 10)
        assert claim
        assert leases.fail(claim.lease, ERROR, 5, attempt * 10)
        assert leases.claim(attempt * 10 + 4) is None
    assert leases.claim(100) is None
    scene = store.scene("me", job_id, 0)
    assert scene and (scene.status, scene.error) == ("failed", ERROR)


def test_what_is_hopeless_fails_at_once(store: JobStore, leases: Leases, new: New) -> None:
    submit(store, new(1))
    claim = leases.claim(0)
    assert claim and leases.fail(claim.lease, ERROR, None, 0)
    assert leases.claim(100) is None
    assert not leases.fail(claim.lease, ERROR, None, 0)


def test_having_no_room_is_no_attempt(store: JobStore, leases: Leases, new: New) -> None:
    submit(store, new(1))
    for turn in range(5):
        claim = leases.claim(turn)
        assert claim and leases.put_back(claim.lease, 0.5, turn)
        assert leases.claim(turn + 0.4) is None


def test_a_scene_under_which_every_worker_dies_is_given_up(store: JobStore, leases: Leases, new: New) -> None:
    job_id = submit(store, new(1))
    for turn in range(4):
        assert leases.claim(turn * 100)
        assert leases.recover(turn * 100 + 50) == 1
    assert leases.claim(1_000) is None
    scene = store.scene("me", job_id, 0)
    assert scene and scene.status == "failed" and scene.error and "workers" in scene.error["message"]


def test_old_jobs_are_forgotten_with_the_pictures_that_only_they_had(
    store: JobStore, leases: Leases, new: New
) -> None:
    old, fresh = submit(store, new(2), now=0), submit(store, new(1), now=50)
    waiting = submit(store, new(1), owner="you", now=0)
    ends = iter([("both", 1), ("alone", 2), ("both", 60)])
    for claim in [claim for _ in range(4) if (claim := leases.claim(1)) and claim.job_id != waiting]:
        picture, at = next(ends)
        leases.succeed(claim.lease, picture, "jpeg", {}, at)
    assert leases.forget(0, now=30) == 1
    assert dropped(leases) == {"alone"}
    assert store.job("me", old) is None
    assert store.job("me", fresh) and store.job("you", waiting)
    assert leases.forget(0, now=30) == 0
    assert dropped(leases) == set()


def test_a_picture_of_a_scene_that_is_cancelled_meanwhile_is_dropped(
    store: JobStore, leases: Leases, new: New
) -> None:
    job_id = submit(store, new(1))
    claim = leases.claim(1)
    assert claim and leases.begin_keeping(claim.lease, "p", 2)
    store.cancel("me", job_id, 3)
    assert not leases.succeed(claim.lease, "p", "jpeg", {}, 4)
    assert dropped(leases) == {"p"}
    assert not leases.begin_keeping(claim.lease, "p", 5), "keeping is not even begun"
    assert dropped(leases) == set()


def test_a_picture_that_another_scene_has_or_is_about_to_have_stays(
    store: JobStore, leases: Leases, new: New
) -> None:
    gone, stays = submit(store, new(1), now=0), submit(store, new(1), owner="you", now=1)
    first, second = leases.claim(2), leases.claim(2)
    assert first and second and (first.job_id, second.job_id) == (gone, stays)
    assert leases.begin_keeping(first.lease, "same", 2) and leases.begin_keeping(second.lease, "same", 2)
    store.cancel("me", gone, 3)
    pictures: set[str] = set()
    loose.tidy(leases._engine, first.lease, pictures.add, 3)
    assert pictures == set(), "the other scene is keeping it"
    assert leases.succeed(second.lease, "same", "jpeg", {}, 4)
    assert dropped(leases) == set()
    assert leases.forget(0, now=10) == 2
    assert dropped(leases) == {"same"}


def test_what_a_killed_worker_left_is_found(store: JobStore, leases: Leases, new: New) -> None:
    submit(store, new(1))
    claim = leases.claim(1)
    assert claim and leases.begin_keeping(claim.lease, "p", 100)
    assert dropped(leases, noted_before=100) == set(), "the worker may be about to keep it"
    assert dropped(leases, noted_before=101) == {"p"}


def test_a_picture_that_cannot_be_dropped_is_dropped_later(store: JobStore, leases: Leases, new: New) -> None:
    submit(store, new(1))
    claim = leases.claim(1)
    assert claim and leases.begin_keeping(claim.lease, "p", 2)

    def broken(picture: str) -> None:
        raise OSError("no such host")

    with pytest.raises(OSError, match="host"):
        loose.tidy(leases._engine, claim.lease, broken, 3)
    assert dropped(leases) == {"p"}


def test_one_picture_kept_and_dropped_at_once_is_there_in_the_end(
    store: JobStore, leases: Leases, new: New
) -> None:
    """The file of a scene's picture is kept, whichever thread is first."""
    job_id = submit(store, new(40))
    claims = [claim for _ in range(40) if (claim := leases.claim(1))]
    files: set[str] = set()

    def begin(claim: Claim) -> None:
        while True:
            try:
                assert leases.begin_keeping(claim.lease, "same", 2)
                break
            except loose.BeingDropped:
                continue
        files.add("same")

    def keep(claim: Claim) -> bool:
        begin(claim)
        return leases.succeed(claim.lease, "same", "jpeg", {}, 3)

    def leave(claim: Claim) -> bool:
        begin(claim)
        loose.tidy(leases._engine, claim.lease, files.discard, 2)
        return True

    with ThreadPoolExecutor(4) as pool:
        acts = [keep if number % 20 == 19 else leave for number in range(40)]
        done = list(pool.map(lambda pair: pair[0](pair[1]), zip(acts, claims, strict=True)))
    assert all(done)
    assert store.scene("me", job_id, 39) and files == {"same"}


def test_a_picture_is_not_begun_while_it_is_dropped_unless_who_drops_it_is_gone(
    store: JobStore, leases: Leases, new: New
) -> None:
    submit(store, new(2))
    first, second = leases.claim(1), leases.claim(1)
    assert first and second and leases.begin_keeping(first.lease, "same", 2)

    def meanwhile(picture: str) -> None:
        with pytest.raises(loose.BeingDropped):
            leases.begin_keeping(second.lease, picture, 3)
        loose.tidy(leases._engine, first.lease, pytest.fail, 4)  # another process finds the note
        assert leases.begin_keeping(second.lease, picture, 3 + loose.STUCK_S)

    loose.tidy(leases._engine, first.lease, meanwhile, 3)
    assert leases.succeed(second.lease, "same", "jpeg", {}, 5)
    assert dropped(leases) == set()


@pytest.mark.parametrize("ahead_s", [600.0, -600.0], ids=["ahead", "behind"])
def test_workers_whose_clocks_differ_take_no_scene_from_each_other(
    postgres: Engine, new: New, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    """One here, one on a machine whose clock is ten minutes off: both use the database's time."""
    clear(postgres)
    store, leases = JobStore(postgres), Leases(postgres, lease_s=10, max_attempts=3, max_losses=4)
    job_id = store.submit(new_job_id(), "me", new(2), key="k", body_hash="b")
    mine = leases.claim()
    assert mine
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + ahead_s)
    assert leases.recover() == 0, "the other worker is painting it"
    assert leases.renew([mine.lease]) == {mine.lease}
    other = leases.claim()
    assert other and other.number != mine.number
    assert leases.put_back(other.lease, 60)
    assert store.submit(new_job_id(), "me", new(2), key="k", body_hash="b") == job_id
    assert leases.begin_keeping(mine.lease, "p")
    assert loose.old(postgres, 5) == [] and leases.forget(5) == 0
    monkeypatch.setattr(time, "time", true_time)
    assert leases.claim() is None, "it waits one minute, neither eleven nor none"
    assert leases.recover() == 0
    assert leases.succeed(mine.lease, "p", "jpeg", {})
    assert abs(store.job("me", job_id).created_at - true_time()) < 60  # type: ignore[union-attr]


def test_a_lease_runs_out_by_the_databases_time(postgres: Engine, new: New) -> None:
    clear(postgres)
    store, leases = JobStore(postgres), Leases(postgres, lease_s=0.01, max_attempts=3, max_losses=4)
    submit(store, new(1))
    first = leases.claim()
    assert first
    until(lambda: leases.recover() == 1)
    again = leases.claim()
    assert again and again.lease != first.lease
