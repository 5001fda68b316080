"""Serve uploaded pictures to their callers: keep, look up, read, remove. Blocking work runs in threads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property, partial

from deployments.errors import InvalidRequest
from deployments.messages import Picture

from ..config.service_config import ServiceConfig
from ..http.error_responses import Refusal
from ..telemetry.logs import logger
from .holds import release_ended_jobs
from .in_thread import in_thread
from .kept_files import KeptFiles, full_in_words
from .picture_files import Damaged, name_of
from .picture_store import Held, KeptPicture, PictureStore

PREFIX = "pic_"
PICTURE_ID = re.compile(f"{PREFIX}([0-9a-f]{{64}})")
NO_PICTURE = "there is no such picture, or it has expired"


def id_of(name: str) -> str:
    """Return the id by which callers know a picture's file."""
    return PREFIX + name


class PictureService:
    """Uploaded pictures. The database opens at the first use; methods raise NotReady if that fails."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._kept = KeptFiles(config)

    @cached_property
    def _store(self) -> PictureStore:
        settings = self._config.pictures
        return PictureStore(self._kept.engine, settings.retention_s, settings.max_kept)

    async def keep(self, owner: str, picture: Picture) -> KeptPicture:
        """Keep a picture. It is on disk when this returns. Raises Refusal 507."""
        with full_in_words():
            return await in_thread(partial(self._keep, owner, picture), "pictures")

    async def find(self, owner: str, picture_id: str) -> KeptPicture:
        """Return a picture's row. Raises Refusal 404."""
        name = _name(picture_id)
        found = await in_thread(lambda: self._store.find(owner, [name]), "pictures")
        if name not in found:
            raise Refusal(404, "not_found", NO_PICTURE)
        return found[name]

    async def find_all(self, owner: str, picture_ids: Iterable[str]) -> dict[str, KeptPicture]:
        """Return the pictures that exist among `picture_ids`, by id."""
        names = {found[1] for each in picture_ids if (found := PICTURE_ID.fullmatch(each))}
        if not names:
            return {}
        kept = await in_thread(lambda: self._store.find(owner, names), "pictures")
        return {id_of(name): picture for name, picture in kept.items()}

    async def read(self, owner: str, picture_id: str) -> tuple[KeptPicture, bytes]:
        """Return a picture and its PNG file. Raises Refusal 404, and 410 if the file is damaged."""
        kept = await self.find(owner, picture_id)
        data = await in_thread(partial(self._kept.intact, kept.name), "pictures")
        if isinstance(data, Damaged):
            logger.warning("an uploaded picture is damaged: %s", data)
            raise Refusal(410, "gone", f"the kept picture was found {data.how}: upload it again")
        return kept, data

    async def remove(self, owner: str, picture_id: str) -> KeptPicture:
        """Delete a picture. Raises Refusal 404, and InvalidRequest if something holds it."""
        kept = await self.find(owner, picture_id)
        try:
            gone = await in_thread(partial(self._remove, owner, kept.name), "pictures")
        except Held:
            message = "this picture is held by a job that has not ended, a story or a member of the cast"
            raise InvalidRequest(message, "picture_id") from None
        if not gone:
            raise Refusal(404, "not_found", NO_PICTURE)
        return kept

    async def undo(self, owner: str, kept: Iterable[KeptPicture]) -> None:
        """Delete new pictures that are of no use, as when the request that sent them is refused after all."""
        await in_thread(partial(self._undo, owner, list(kept)), "pictures")

    def _undo(self, owner: str, kept: Iterable[KeptPicture]) -> None:
        for each in kept:
            token = self._store.undo(owner, each)
            if token is not None:
                self._kept.drop(token)

    def _keep(self, owner: str, picture: Picture) -> KeptPicture:
        data, budget = picture.data, self._kept.budget()
        new = KeptPicture(
            name=name_of(data), width=picture.width_px, height=picture.height_px, bytes=len(data)
        )
        return self._kept.put(
            data,
            lambda: self._store.begin(owner, new, budget),
            lambda token: self._store.keep(owner, new, token, budget=budget),
        )

    def _remove(self, owner: str, name: str) -> bool:
        release_ended_jobs(self._store.engine)
        token = self._store.remove(owner, name)
        if token is not None:
            self._kept.drop(token)
        return token is not None


def _name(picture_id: str) -> str:
    """Return the name of a picture's file. Raises Refusal 404 for a malformed id."""
    found = PICTURE_ID.fullmatch(picture_id)
    if found is None:
        raise Refusal(404, "not_found", NO_PICTURE)
    return found[1]
