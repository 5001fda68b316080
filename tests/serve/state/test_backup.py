"""docs/backup.md: its commands run, and a restore brings everything back."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from serve.auth.key_store import KeyStore
from serve.cast.cast_store import CastStore
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from serve.pictures.picture_files import Pictures, open_pictures
from serve.pictures.picture_store import KeptPicture, PictureStore
from serve.state.database import open_database
from serve.state.storage_budget import StorageBudget
from serve.stories import story_store as stories
from serve.stories.kept_story import Story
from serve.stories.story_schema import StoryRequest
from serve.webhooks import outbox
from serve.webhooks.secrets import secret_of
from tests.support.databases import POSTGRES, clear
from tests.support.story_requests import story as a_story

PAGE = (Path(__file__).parents[3] / "docs/backup.md").read_text(encoding="utf-8")
BLOCKS = {
    code.split("\n")[0].removeprefix("# "): code for code in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
}
JOB, STORY, LATE = "a" * 32, "b" * 32, "c" * 32
PAINTED, REFERENCE = b"a painted scene", b"a hero's face"
Shell = Callable[[str], None]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Yield a function that runs a block of the page in a home folder of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCENEWRIGHT_STATE_DIR", str(tmp_path / "state"))
    if POSTGRES:
        monkeypatch.setenv("PATH", str(POSTGRES[-1]), prepend=":")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")

    def run(title: str) -> None:
        (code,) = (code for name, code in BLOCKS.items() if name.partition(":")[0] == title)
        done = subprocess.run(["sh", "-euc", code], cwd=tmp_path, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def keep(engine: Engine, pictures: Pictures) -> str:
    """Keep one of everything. Return the key."""
    _, key = KeyStore(engine).create("ada", ("paint",))
    name = pictures.put(REFERENCE)
    uploads = PictureStore(engine, retention_s=86_400, max_kept=9)
    upload = KeptPicture(name=name, width=3, height=2, bytes=len(REFERENCE))
    uploads.keep("ada", upload, uploads.begin("ada", upload, StorageBudget(1 << 20, 100)))
    member = {"description": "a girl", "references": [name], "seed": 7, "negative_prompt": None}
    CastStore(engine, max_members=3).add("ada", "mira", member)
    jobs = JobStore(engine)
    hook = "https://example.com"
    jobs.submit(JOB, "ada", [NewScene("{}", 60.0)], webhook_url=hook)
    leases = Leases(engine, lease_s=10, max_attempts=3, max_losses=4)
    claim = leases.claim()
    assert claim is not None
    assert leases.begin_keeping(claim.lease, pictures.put(PAINTED))
    assert leases.succeed(claim.lease, pictures.put(PAINTED), "png", {"X-Seed": "7"})
    story = Story(StoryRequest.model_validate(a_story(1)))
    jobs.submit(STORY, "ada", [NewScene("{}", 60.0)], beside=stories.NewStory(stories.StoryBody(story)))
    return key


def check(engine: Engine, pictures: Pictures, key: str, secret: str) -> None:
    """Check that everything kept is there, and nothing later."""
    (found,) = KeyStore(engine).all()
    assert found.is_of(key) and found.tenant == "ada"
    jobs = JobStore(engine)
    job = jobs.job("ada", JOB)
    assert job is not None and job.status == "succeeded"
    assert job.scenes[0].picture is not None
    assert pictures.get(job.scenes[0].picture) == PAINTED
    hero = CastStore(engine, max_members=3).find("ada", ["mira"])["mira"]
    assert (hero.description, hero.seed) == ("a girl", 7)
    assert pictures.get(hero.references[0]) == REFERENCE
    kept = stories.find(engine, "ada", STORY)
    assert kept is not None and kept.story.request.title == "Mira and the rain"
    waiting = jobs.job("ada", STORY)
    assert waiting is not None and waiting.status == "queued"
    assert [delivery.job_id for delivery in outbox.listed(engine)] == [JOB]
    assert secret_of(engine, "ada") == secret
    assert jobs.job("ada", LATE) is None


def test_a_service_that_runs_is_backed_up_and_restored(shell: Shell, tmp_path: Path) -> None:
    state = tmp_path / "state"
    engine = open_database(f"sqlite:///{state / 'jobs.sqlite'}")
    pictures = open_pictures(str(state / "pictures"))
    key, secret = keep(engine, pictures), secret_of(engine, "ada")
    assert (state / "jobs.sqlite-wal").stat().st_size, "otherwise a plain copy would suffice"
    shell("back up")
    JobStore(engine).submit(LATE, "ada", [NewScene("{}", 60.0)])
    pictures.put(b"a later picture")
    engine.dispose()
    shell("restore")
    restored = open_database(f"sqlite:///{state / 'jobs.sqlite'}")
    check(restored, open_pictures(str(state / "pictures")), key, secret)
    restored.dispose()
    assert (tmp_path / "state.before/jobs.sqlite").exists()
    everything = [tmp_path / "scenewright-backup", *(tmp_path / "scenewright-backup").iterdir(), state]
    assert [path for path in everything if path.stat().st_mode & 0o077] == []


def test_a_place_without_a_database_is_no_backup(shell: Shell, tmp_path: Path) -> None:
    """SQLite would create an empty file for a mistyped name, and copy that."""
    (tmp_path / "state").mkdir()
    with pytest.raises(AssertionError, match="unable to open database file"):
        shell("back up")
    assert list((tmp_path / "state").iterdir()) == []


def test_a_postgresql_is_backed_up_and_restored(
    shell: Shell, postgres: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.url.set(drivername="postgresql")
    monkeypatch.setenv("DATABASE", url.render_as_string(hide_password=False))
    clear(postgres)
    pictures = open_pictures(str(tmp_path / "pictures"))
    key, secret = keep(postgres, pictures), secret_of(postgres, "ada")
    shell("back up PostgreSQL")
    clear(postgres)
    JobStore(postgres).submit(LATE, "ada", [NewScene("{}", 60.0)])
    postgres.dispose()
    shell("restore PostgreSQL")
    check(postgres, pictures, key, secret)
    clear(postgres)
