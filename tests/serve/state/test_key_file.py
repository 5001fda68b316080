"""The state of an earlier version opens: its keys become tenants of their own, and see what they saw."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from serve.auth.key_store import open_keys
from serve.auth.keys import digest
from serve.config.job_config import JobConfig
from serve.jobs import ended_keys
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.state.database import MIGRATIONS
from serve.state.open_state import open_state

WHOLE = "sw_0a1b2c3d_secret"
KEPT = [
    {
        "id": "0a1b2c3d",
        "name": "the web site",
        "sha256": digest(WHOLE),
        "scopes": ["generate", "jobs"],
        "created_at": 5.0,
        "revoked_at": None,
        "rate": 2.0,
        "burst": None,
        "concurrent": 16,
    },
    {"id": "ffffffff", "name": "the web site", "sha256": "0" * 64, "scopes": ["jobs"], "created_at": 6.0}
    | {"revoked_at": 7.0, "rate": None, "burst": None, "concurrent": None},
]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state folder as the version before left it: two keys, a waiting job of each, and one of nobody."""
    engine = create_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for name in ("0a1b2c3d", "ffffffff", ""):
            connection.execute(
                text("INSERT INTO jobs (id, owner, created_at, total, body_hash) VALUES (:i, :o, 1, 1, '')"),
                {"i": f"job{name}", "o": name},
            )
            connection.execute(
                text(
                    "INSERT INTO scenes"
                    " (job_id, number, status, job, deadline_s, not_before, attempts, losses)"
                    " VALUES (:i, 0, 'queued', '{}', 9, 0, 0, 0)"
                ),
                {"i": f"job{name}"},
            )
    engine.dispose()
    (tmp_path / "keys.json").write_text(json.dumps(KEPT))
    (tmp_path / "keys.lock").touch()
    return tmp_path


def test_keys_and_jobs_are_as_they_were(old: Path) -> None:
    first, second = open_keys(old).all()
    assert first.is_of(WHOLE) and first.end(1e10) is None
    assert (first.tenant, first.name, first.rate, first.concurrent) == ("0a1b2c3d", "the web site", 2.0, 16)
    assert (second.tenant, second.revoked_at) == ("ffffffff", 7.0), "two of one name are two tenants"
    store = JobStore(open_state(old, JobConfig()))
    for key in (first, second):
        assert [job.id for job in store.page(key.tenant, 10)] == [f"job{key.id}"]
    assert store.job("", "job") is not None
    assert not (old / "keys.json").exists() and (old / "keys.json.taken").stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_revoked_before_paints_no_more(old: Path) -> None:
    engine = open_state(old, JobConfig())
    ended_keys.settle(engine, "hold", 10.0)
    leases = Leases(engine, 15, 3, 10)
    found = {claim.job_id for claim in (leases.claim(10.0), leases.claim(10.0)) if claim}
    assert found == {"job0a1b2c3d", "job"} and leases.claim(10.0) is None


def test_several_processes_take_them_in_once(old: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(open_keys, [old] * 4))
    assert all(len(store.all()) == 2 for store in stores)


def test_a_file_that_comes_back_revives_nothing(old: Path) -> None:
    """Such as one that is restored, or that the version before has written meanwhile."""
    open_keys(old).revoke("0a1b2c3d")
    (old / "keys.json").write_text(json.dumps(KEPT))
    assert [key.end(0) for key in open_keys(old).all()] == ["was revoked"] * 2


@pytest.mark.parametrize("content", ["", "{", "[{}]", '[{"id": 1}]', '[{"extra": 1}]'])
def test_a_damaged_file_is_reported_and_stays(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    for _ in range(2):
        with pytest.raises(ValueError, match="validation error"):
            open_keys(tmp_path)
    assert (tmp_path / "keys.json").read_text() == content
