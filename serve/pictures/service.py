"""Uploaded pictures for their callers: keep, look up, read, remove. What blocks runs in threads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property, partial

from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import InvalidRequest
from deployments.messages import Picture

from ..config.service_config import ServiceConfig
from ..http.error_responses import Refusal
from ..state.disk_space import DiskSpace
from ..state.open_state import open_state
from ..state.storage_budget import StorageBudget, StorageFull
from ..telemetry.logs import logger
from . import loose_pictures as loose
from .holds import release_ended_jobs
from .in_thread import ROOM_S, in_thread
from .picture_files import Damaged, Pictures, name_of, open_pictures
from .store import Held, KeptPicture, PictureStore

PREFIX = "pic_"
PICTURE_ID = re.compile(f"{PREFIX}([0-9a-f]{{64}})")
NO_PICTURE = "there is no such picture, or it has expired"


def id_of(name: str) -> str:
    """Return the id by which callers know a picture's file."""
    return PREFIX + name


class PictureService:
    """Opens the database at the first picture. Every method raises NotReady where that fails."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config

    @cached_property
    def _store(self) -> PictureStore:
        settings = self._config.pictures
        engine = open_state(self._config.state_folder, self._config.jobs)
        return PictureStore(engine, settings.retention_s, settings.max_kept)

    @cached_property
    def _files(self) -> Pictures:
        return open_pictures(self._config.jobs.pictures_place(self._config.state_folder))

    @cached_property
    def _disk(self) -> DiskSpace:
        return DiskSpace(self._config.jobs, self._config.state_folder)

    async def keep(self, owner: str, picture: Picture) -> KeptPicture:
        """Keep a picture, on the disk when this returns. Raises Refusal 507."""
        try:
            return await in_thread(partial(self._keep, owner, picture), "pictures")
        except StorageFull as full:
            raise Refusal(507, "insufficient_storage", str(full), retry_after_s=ROOM_S) from None

    async def find(self, owner: str, picture_id: str) -> KeptPicture:
        """Return what is known of a picture. Raises Refusal 404."""
        name = _name(picture_id)
        found = await in_thread(lambda: self._store.find(owner, [name]), "pictures")
        if name not in found:
            raise Refusal(404, "not_found", NO_PICTURE)
        return found[name]

    async def find_all(self, owner: str, picture_ids: Iterable[str]) -> dict[str, KeptPicture]:
        """Return those of the pictures that are there, by their ids."""
        names = {found[1] for each in picture_ids if (found := PICTURE_ID.fullmatch(each))}
        if not names:
            return {}
        kept = await in_thread(lambda: self._store.find(owner, names), "pictures")
        return {id_of(name): picture for name, picture in kept.items()}

    async def read(self, owner: str, picture_id: str) -> tuple[KeptPicture, bytes]:
        """Return a picture and its file, PNG. Raises Refusal 404, and 410 where the file is damaged."""
        kept = await self.find(owner, picture_id)
        data = await in_thread(partial(self._intact, kept.name), "pictures")
        if isinstance(data, Damaged):
            logger.warning("an uploaded picture: %s", data)
            raise Refusal(410, "gone", f"the kept picture was found {data.how}: upload it again")
        return kept, data

    async def remove(self, owner: str, picture_id: str) -> KeptPicture:
        """Delete a picture. Raises Refusal 404, and InvalidRequest where something waits for it."""
        kept = await self.find(owner, picture_id)
        try:
            gone = await in_thread(partial(self._remove, owner, kept.name), "pictures")
        except Held:
            message = "this picture is held by a job that has not ended, or by a member of the cast"
            raise InvalidRequest(message, "picture_id") from None
        if not gone:
            raise Refusal(404, "not_found", NO_PICTURE)
        return kept

    async def undo(self, owner: str, kept: Iterable[KeptPicture]) -> None:
        """Delete those that were new and are of no use, as when what named them is refused after all."""
        await in_thread(partial(self._undo, owner, list(kept)), "pictures")

    def _undo(self, owner: str, kept: Iterable[KeptPicture]) -> None:
        for each in kept:
            token = self._store.undo(owner, each)
            if token is not None:
                self._drop(token)

    def _keep(self, owner: str, picture: Picture) -> KeptPicture:
        data, files = picture.data, self._files
        new = KeptPicture(
            name=name_of(data), width=picture.width_px, height=picture.height_px, bytes=len(data)
        )
        budget = self._budget()
        token = self._store.begin(owner, new, budget)
        kept = None
        try:
            files.put(data)
            kept = self._store.keep(owner, new, token, budget=budget)
        finally:
            if kept is None:
                self._drop(token)
        return kept

    def _budget(self) -> StorageBudget:
        jobs = self._config.jobs
        return StorageBudget(jobs.max_stored_bytes, jobs.max_stored_scenes, self._disk.left_bytes())

    def _intact(self, name: str) -> bytes | Damaged:
        try:
            return self._files.get(name)
        except Damaged:
            pass  # Not every store behind fsspec puts a whole file at once.
        try:
            return self._files.get(name)
        except Damaged as damage:
            return damage

    def _remove(self, owner: str, name: str) -> bool:
        release_ended_jobs(self._store.engine)
        token = self._store.remove(owner, name)
        if token is not None:
            self._drop(token)
        return token is not None

    def _drop(self, token: str) -> None:
        """Drop a file that nobody has. One that cannot be dropped now stays noted, and a worker finds it."""
        with suppress(SQLAlchemyError, OSError):
            loose.tidy(self._store.engine, token, self._files.drop)


def _name(picture_id: str) -> str:
    """Return the name of a picture's file. Raises Refusal 404 for what is no id."""
    found = PICTURE_ID.fullmatch(picture_id)
    if found is None:
        raise Refusal(404, "not_found", NO_PICTURE)
    return found[1]
