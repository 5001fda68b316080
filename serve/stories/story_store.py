"""Store stories: the request of each, beside the job that paints its pages.

Every function is one transaction, and raises SQLAlchemyError. An owner of None, if allowed, means any owner.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, func, insert, select, update

from ..jobs.job_admission import PicturesGone, TooManyWaiting, check_key
from ..jobs.job_rows import open_scenes, scene_row, this_job, worked_off_in_s
from ..jobs.states import JobState, NewScene
from ..pictures.holds import hold, story_holder
from ..state.database import now_of, reading
from ..state.job_tables import jobs, scenes, stories
from ..state.storage_budget import StorageBudget, lock_storage
from .kept_story import TITLE_END_CHARS, Story, dumped, loaded, title_at_start


class Changed(Exception):
    """The story is no longer as it was seen: another request has changed it."""


class Cancelled(Exception):
    """The story was cancelled, so none of its pages is painted again."""


class StoryBody:
    """A serialized story, made before the transaction that writes it: it may have megabytes."""

    def __init__(self, story: Story) -> None:
        self.text = dumped(story)
        self.bytes = len(self.text.encode())
        self.consistency_min = story.request.consistency_min


@dataclass(frozen=True)
class NewStory:
    """A new story's row. `pictures` are those that it holds for as long as it is kept."""

    body: StoryBody
    pictures: Collection[str] = ()

    @property
    def bytes(self) -> int:
        return self.body.bytes

    def add(self, connection: Connection, job_id: str, owner: str, now: float) -> None:
        """Add the row in the transaction that stores its job. Raises PicturesGone."""
        row: dict[str, Any] = {"job_id": job_id, "owner": owner, "created_at": now, "bytes": self.bytes}
        row["consistency_min"] = self.body.consistency_min
        connection.execute(insert(stories).values(**row, body=self.body.text))
        if hold(connection, story_holder(job_id), owner, self.pictures, now):
            raise PicturesGone


@dataclass(frozen=True)
class KeptStory:
    """A story as it was read. Each change increments its `version`."""

    story: Story
    version: int
    bytes: int


@dataclass(frozen=True)
class StoryState:
    """A story, its job, and the response headers of its painted pages' pictures, by page number."""

    kept: KeptStory
    job: JobState
    headers: Mapping[int, Mapping[str, str]]

    @property
    def story(self) -> Story:
        return self.kept.story


def find(engine: Engine, owner: str | None, story_id: str) -> KeptStory | None:
    parts = select(stories.c.body, stories.c.version, stories.c.bytes)
    with reading(engine) as connection:
        row = connection.execute(parts.where(_mine(owner, story_id))).one_or_none()
    return None if row is None else KeptStory(loaded(row.body), row.version, row.bytes)


def is_story(engine: Engine, job_id: str) -> bool:
    with reading(engine) as connection:
        found = connection.execute(select(stories.c.job_id).where(stories.c.job_id == job_id)).first()
    return found is not None


def headers_of(engine: Engine, story_id: str) -> dict[int, dict[str, str]]:
    """Return the response headers of each painted page's picture, by page number."""
    found = select(scenes.c.number, scenes.c.headers).where(
        scenes.c.job_id == story_id, scenes.c.headers.is_not(None)
    )
    with reading(engine) as connection:
        return {row.number: json.loads(row.headers) for row in connection.execute(found)}


def titles_of(engine: Engine, story_ids: Collection[str]) -> dict[str, str | dict[str, str]]:
    """Return the titles of stories by id. Only their starts are read: a story may have a million letters."""
    start = func.substr(stories.c.body, 1, TITLE_END_CHARS).label("start")
    found = select(stories.c.job_id, start).where(stories.c.job_id.in_(story_ids))
    with reading(engine) as connection:
        return {row.job_id: title_at_start(row.start) for row in connection.execute(found)}


def story_ids() -> Select[tuple[str]]:
    """Select the ids of all stories, which are jobs too."""
    return select(stories.c.job_id)


def change(
    engine: Engine, owner: str, story_id: str, seen: KeptStory, new: StoryBody, budget: StorageBudget
) -> None:
    """Replace the story that was `seen` with a changed one. Raises Changed and StorageFull."""
    with engine.begin() as connection:
        lock_storage(connection, owner)
        _replace(connection, owner, story_id, seen, new, budget, 0)


def repaint(
    engine: Engine,
    owner: str,
    story_id: str,
    number: int,
    seen: KeptStory,
    new: StoryBody,
    scene: NewScene,
    budget: StorageBudget,
    most_waiting: int,
    key_id: str | None,
    pictures: Collection[str] = (),
    now: float | None = None,
) -> None:
    """Queue one page for repainting, in one transaction. No other page is touched.

    A worker that is painting it loses its lease. Its old picture stays until the new one exists. Its usage
    counts for the key `key_id`, and the page is settled with that key once the key ends.
    Raises Changed, Cancelled, StorageFull, TooManyWaiting, KeyEnded and PicturesGone.
    """
    with engine.begin() as connection:
        now = now_of(connection, now)
        check_key(connection, key_id, now)
        lock_storage(connection, owner)
        job = select(jobs.c.cancelled_at).where(this_job(owner, story_id)).with_for_update()
        if (found := connection.execute(job).one_or_none()) is None:
            raise Changed
        if found.cancelled_at is not None:
            raise Cancelled
        this = and_(scenes.c.job_id == story_id, scenes.c.number == number)
        old = connection.execute(select(scenes).where(this).with_for_update()).one_or_none()
        if old is None:
            raise Changed
        if old.status not in ("queued", "running"):
            waiting = select(func.count()).select_from(scenes.join(jobs)).where(open_scenes(owner))
            excess = connection.execute(waiting).scalar_one() + 1 - most_waiting
            if excess > 0:
                raise TooManyWaiting(worked_off_in_s(connection, owner, excess, now))
        row = scene_row(story_id, number, scene)
        if old.picture is not None:
            row["picture_bytes"] = max(row["picture_bytes"], old.picture_bytes)
        sizes = ("words_bytes", "picture_bytes")
        more = sum(row[name] - getattr(old, name) for name in sizes)
        _replace(connection, owner, story_id, seen, new, budget, more)
        connection.execute(update(scenes).where(this).values(**row, **AS_NEW, key_id=key_id))
        if hold(connection, story_holder(story_id), owner, pictures, now):
            raise PicturesGone


AS_NEW: dict[str, Any] = {
    "lease": None,
    "lease_until": None,
    "ended_at": None,
    "error": None,
    "repaints": 0,
    "first_painted": None,
    "changed": False,
}
"""The values of a new row. The picture, its format and its headers stay."""


def _replace(
    connection: Connection,
    owner: str,
    story_id: str,
    seen: KeptStory,
    new: StoryBody,
    budget: StorageBudget,
    more_bytes: int,
) -> None:
    mine = and_(_mine(owner, story_id), stories.c.version == seen.version)
    if connection.execute(select(stories.c.job_id).where(mine).with_for_update()).first() is None:
        raise Changed
    more_bytes += new.bytes - seen.bytes
    if more_bytes > 0:
        budget.check(connection, owner, 0, more_bytes)
    values = {"body": new.text, "bytes": new.bytes, "version": seen.version + 1}
    connection.execute(update(stories).where(mine).values(**values))


def _mine(owner: str | None, story_id: str) -> ColumnElement[bool]:
    this: ColumnElement[bool] = stories.c.job_id == story_id
    return this if owner is None else and_(this, stories.c.owner == owner)
