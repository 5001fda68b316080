"""The bytes that a tenant's jobs keep are counted from the rows; jobs are refused before the disk is full."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError

from serve.config.job_config import JobConfig
from serve.jobs import ended_keys
from serve.jobs.job_ids import new_job_id
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from serve.jobs.stored_bytes import ROW_BYTES
from serve.state import disk_space
from serve.state.database import open_database
from serve.state.disk_space import DiskSpace, is_full
from serve.state.job_tables import jobs, scenes
from serve.state.storage_budget import StorageBudget, StorageFull, expected_bytes, stored

WORDS, EXPECTED = '{"words": "' + "x" * 989 + '"}', 10_000
SCENE_BYTES = ROW_BYTES + 1_002
Submit = Callable[..., str]


@pytest.fixture
def submit(store: JobStore) -> Submit:
    def make(
        owner: str = "a", count: int = 1, budget: StorageBudget | None = None, key: str | None = None
    ) -> str:
        new = [NewScene(WORDS, 60.0, EXPECTED) for _ in range(count)]
        return store.submit(new_job_id(), owner, new, key=key, budget=budget)

    return make


def kept(engine: Engine, owner: str = "a") -> tuple[int, int]:
    with engine.connect() as connection:
        return stored(connection, owner)


def expected(engine: Engine) -> int:
    with engine.connect() as connection:
        return expected_bytes(connection)


def words_of(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(scenes.c.job).order_by(scenes.c.number)).scalars())


def test_a_waiting_scene_counts_its_words_and_the_picture_that_is_expected(
    engine: Engine, submit: Submit
) -> None:
    assert len(WORDS) == 1_002
    submit(count=3)
    submit("b")
    assert kept(engine) == (3, 3 * (SCENE_BYTES + EXPECTED))
    assert kept(engine, "b") == (1, SCENE_BYTES + EXPECTED)
    assert kept(engine, "c") == (0, 0)
    assert expected(engine) == 4 * EXPECTED


def test_a_cancelled_scene_keeps_a_receipt_and_not_its_words(
    engine: Engine, store: JobStore, submit: Submit
) -> None:
    job_id = submit(count=3)
    state = store.cancel("a", job_id)
    assert state is not None and state.counts == {"cancelled": 3}
    assert kept(engine) == (3, 3 * ROW_BYTES)
    assert words_of(engine) == [""] * 3
    assert expected(engine) == 0


def test_what_is_submitted_and_cancelled_takes_no_more_than_is_counted(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    store, new = JobStore(engine), [NewScene("x" * 8_000, 60.0)] * 100
    for _ in range(20):
        store.cancel("a", store.submit(new_job_id(), "a", new))
    with engine.connect() as connection:
        pages, free, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_count", "freelist_count", "page_size")
        )
    engine.dispose()
    assert kept(engine) == (2_000, 2_000 * ROW_BYTES)
    assert (pages - free) * size < 2_000 * ROW_BYTES
    engine.dispose()


def test_what_is_cancelled_with_its_key_keeps_no_words_either(engine: Engine, submit: Submit) -> None:
    submit(count=2)
    with engine.begin() as connection:
        ended_keys.cancel(connection, jobs.c.owner == "a", 100.0)
    assert kept(engine) == (2, 2 * ROW_BYTES)
    assert words_of(engine) == [""] * 2


def test_a_scene_that_has_ended_counts_the_picture_that_it_has(
    engine: Engine, store: JobStore, leases: Leases, submit: Submit
) -> None:
    job_id = submit(count=3)
    for ends in (
        lambda lease: leases.succeed(lease, "f" * 64, "jpeg", {}, picture_bytes=123),
        lambda lease: leases.fail(lease, {}, None),
    ):
        claim = leases.claim()
        assert claim is not None and ends(claim.lease)
    assert kept(engine) == (3, 3 * SCENE_BYTES + 123 + EXPECTED)
    store.cancel("a", job_id)
    assert kept(engine) == (3, 2 * SCENE_BYTES + ROW_BYTES + 123)
    assert words_of(engine) == [WORDS, WORDS, ""], "ended scenes may be repainted"
    assert store.remove("a", job_id) is not None
    assert kept(engine) == (0, 0)


def test_a_scene_whose_workers_are_lost_again_and_again_expects_no_picture(
    engine: Engine, leases: Leases, submit: Submit
) -> None:
    submit()
    for _ in range(4):
        assert leases.claim(now=1_000.0) is not None
        assert leases.recover(now=2_000.0) == 1
    assert kept(engine) == (1, SCENE_BYTES)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (StorageBudget(1 << 40, 3), "at most 3 scenes and pictures may be kept"),
        (StorageBudget(4 * (SCENE_BYTES + EXPECTED) - 1, 99), "bytes of jobs and pictures may be kept"),
        (StorageBudget(1 << 40, 99, 4 * EXPECTED + 2 * SCENE_BYTES - 1), "the disk of this service"),
        (StorageBudget(1 << 40, 99, 7 * EXPECTED), "the disk has less free space than your jobs"),
        (StorageBudget(1 << 40, 99, -1), "the disk of this service"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(
    engine: Engine, store: JobStore, submit: Submit, budget: StorageBudget, said: str
) -> None:
    first = submit(count=2, key="k")
    before = kept(engine)
    with pytest.raises(StorageFull, match=said):
        submit(count=2, budget=budget)
    assert kept(engine) == before
    assert len(store.page("a", 9)) == 1
    assert submit(count=2, budget=budget, key="k") == first, "an accepted job stays accepted"


def test_one_tenant_has_half_and_a_newcomer_finds_room(engine: Engine, submit: Submit) -> None:
    size, disk = SCENE_BYTES + EXPECTED, 100 * (SCENE_BYTES + EXPECTED)

    def fill(owner: str) -> int:
        taken = 0
        while True:
            # The requests are on the disk already, the pictures are still expected.
            written = sum(kept(engine, name)[0] for name in "abc") * SCENE_BYTES
            try:
                submit(owner, budget=StorageBudget(1 << 40, 999, disk - written))
            except StorageFull:
                return taken
            taken += 1

    assert fill("a") == 50
    assert fill("b") == 25
    assert fill("c") == 12
    assert fill("a") == 0
    assert kept(engine)[1] == 50 * size


def test_without_keys_the_one_tenant_has_all_of_the_disk(engine: Engine, submit: Submit) -> None:
    submit("", 4, StorageBudget(1 << 40, 99, 5 * (SCENE_BYTES + EXPECTED)))
    assert kept(engine, "") == (4, 4 * (SCENE_BYTES + EXPECTED))


def test_room_is_that_of_the_fuller_disk_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {tmp_path: 300, tmp_path.parent: 200}

    def usage(folder: Path) -> object:
        return type("Usage", (), {"free": free[folder]})

    monkeypatch.setattr(disk_space.shutil, "disk_usage", usage)
    both = JobConfig(database=f"sqlite:///{tmp_path / 'jobs.sqlite'}", pictures=f"file://{tmp_path.parent}")
    assert DiskSpace(both, tmp_path).free_bytes() == 200
    elsewhere = "postgresql+psycopg://u@h/db"
    assert (
        DiskSpace(JobConfig(database=elsewhere, pictures=str(tmp_path / "new")), tmp_path).free_bytes() == 300
    )
    remote = DiskSpace(JobConfig(database=elsewhere, pictures="s3://bucket/scenes"), tmp_path)
    assert (remote.free_bytes(), remote.left_bytes(), remote.shortage()) == (None, None, None)
    state = DiskSpace(JobConfig(pictures="s3://bucket/scenes", min_free_bytes=301), tmp_path)
    assert state.left_bytes() == -1
    assert "the disk is nearly full" in (state.shortage() or "")
    assert DiskSpace(JobConfig(pictures="s3://b/s", min_free_bytes=300), tmp_path).shortage() is None


def test_a_disk_that_cannot_be_looked_at_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(folder: Path) -> object:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(disk_space.shutil, "disk_usage", usage)
    assert "cannot be read" in (DiskSpace(JobConfig(), tmp_path).shortage() or "")


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(errno.EIO, "Input/output error"), False),
        (OperationalError("INSERT", {}, Exception("database or disk is full")), True),
        (
            OperationalError("INSERT", {}, Exception("could not extend file: No space left on device")),
            True,
        ),
        (OperationalError("INSERT", {}, Exception("database is locked")), False),
    ],
)
def test_a_full_disk_is_distinguished_from_other_faults(error: Exception, full: bool) -> None:
    assert is_full(error) is full
