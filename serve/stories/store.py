"""Stories in the database: what was requested of each, beside the job that paints its pages.

Every function is one transaction, and raises SQLAlchemyError. Where the owner may be None, it means anyone's.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, func, insert, select, update

from ..jobs.states import NewScene
from ..jobs.store import PicturesGone, TooManyWaiting, check_key, open_scenes, scene_row, worked_off_in_s
from ..pictures.store import hold, story_holder
from ..state.database import now_of, reading
from ..state.storage_budget import StorageBudget, lock_storage
from ..state.tables import jobs, scenes, stories
from .story import TITLE_END_CHARS, Story, dumped, loaded, title_at_start


class Changed(Exception):
    """The story is not as it was seen: another request changed it meanwhile."""


@dataclass(frozen=True)
class NewStory:
    """A new story's row. `pictures`: those that it holds for as long as it is kept."""

    story: Story
    pictures: Collection[str] = ()

    @property
    def bytes(self) -> int:
        return len(dumped(self.story).encode())

    def add(self, connection: Connection, job_id: str, owner: str, now: float) -> None:
        """Add it in the transaction that keeps its job. Raises PicturesGone."""
        row: dict[str, Any] = {"job_id": job_id, "owner": owner, "created_at": now, "bytes": self.bytes}
        row["consistency_min"] = self.story.request.consistency_min
        connection.execute(insert(stories).values(**row, body=dumped(self.story)))
        if hold(connection, story_holder(job_id), owner, self.pictures, now):
            raise PicturesGone


def find(engine: Engine, owner: str | None, story_id: str) -> Story | None:
    with reading(engine) as connection:
        body = connection.execute(select(stories.c.body).where(_mine(owner, story_id))).scalar_one_or_none()
    return None if body is None else loaded(body)


def is_story(engine: Engine, job_id: str) -> bool:
    with reading(engine) as connection:
        found = connection.execute(select(stories.c.job_id).where(stories.c.job_id == job_id)).first()
    return found is not None


def headers_of(engine: Engine, story_id: str) -> dict[int, dict[str, str]]:
    """Return what was said of each painted page's picture, by the page's number."""
    found = select(scenes.c.number, scenes.c.headers).where(
        scenes.c.job_id == story_id, scenes.c.headers.is_not(None)
    )
    with reading(engine) as connection:
        return {row.number: json.loads(row.headers) for row in connection.execute(found)}


def titles_of(engine: Engine, story_ids: Collection[str]) -> dict[str, str | dict[str, str]]:
    """Return stories' titles by their ids. Of each only the start is read: it may have a million letters."""
    start = func.substr(stories.c.body, 1, TITLE_END_CHARS).label("start")
    found = select(stories.c.job_id, start).where(stories.c.job_id.in_(story_ids))
    with reading(engine) as connection:
        return {row.job_id: title_at_start(row.start) for row in connection.execute(found)}


def story_ids() -> Select[tuple[str]]:
    """Select the ids of all stories, which are jobs too."""
    return select(stories.c.job_id)


def change(engine: Engine, owner: str, story_id: str, seen: Story, new: Story, budget: StorageBudget) -> None:
    """Put a changed story in the place of the one that was seen. Raises Changed and StorageFull."""
    with engine.begin() as connection:
        lock_storage(connection, owner)
        _replace(connection, owner, story_id, seen, new, budget, 0)


def repaint(
    engine: Engine,
    owner: str,
    story_id: str,
    number: int,
    seen: Story,
    new: Story,
    scene: NewScene,
    budget: StorageBudget,
    most_waiting: int,
    key_id: str | None,
    pictures: Collection[str] = (),
    now: float | None = None,
) -> None:
    """Have one page painted anew, all of it in one transaction. No other page is touched.

    The worker that paints it at present loses its lease. The picture that it had stays until the new one is
    there.
    Raises Changed, StorageFull, TooManyWaiting, KeyEnded and PicturesGone.
    """
    with engine.begin() as connection:
        now = now_of(connection, now)
        check_key(connection, key_id, now)
        lock_storage(connection, owner)
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
        connection.execute(update(scenes).where(this).values(**row, **AS_NEW))
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
"""What is as in a new row; the picture, its format and its headers stay."""


def _replace(
    connection: Connection,
    owner: str,
    story_id: str,
    seen: Story,
    new: Story,
    budget: StorageBudget,
    more_bytes: int,
) -> None:
    mine = _mine(owner, story_id)
    body = connection.execute(select(stories.c.body).where(mine).with_for_update()).scalar_one_or_none()
    if body is None or loaded(body) != seen:
        raise Changed
    text = dumped(new)
    more_bytes += len(text.encode()) - len(body.encode())
    if more_bytes > 0:
        budget.check(connection, owner, 0, more_bytes)
    connection.execute(update(stories).where(mine).values(body=text, bytes=len(text.encode())))


def _mine(owner: str | None, story_id: str) -> ColumnElement[bool]:
    this: ColumnElement[bool] = stories.c.job_id == story_id
    return this if owner is None else and_(this, stories.c.owner == owner)
