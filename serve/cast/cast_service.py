"""Serve the cast: keep, change, look up and remove members, and resolve those that a request names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import InvalidRequest

from ..api.cast_request import CastBody
from ..api.known_pictures import Known
from ..api.layer_schema import LoraInput, PictureInput
from ..api.members import Member, Requested, cast_names, with_members
from ..api.scene_schema import SceneRequest, names_cast
from ..api.wire import CAST_NAME
from ..config.service_config import ServiceConfig
from ..http.error_responses import Refusal
from ..pictures import loose_pictures as loose
from ..pictures.in_thread import ROOM_S, in_thread
from ..pictures.picture_files import Pictures, open_pictures
from ..pictures.picture_service import id_of
from ..state.open_state import open_state
from .cast_store import CastStore, KeptMember, NameTaken, OtherVersion, PicturesGone, TooMany

Result = TypeVar("Result")
NO_MEMBER = "there is no such member of the cast"


class CastService:
    """The cast of each tenant. Its database opens at the first use; methods raise NotReady if that fails."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config

    @cached_property
    def _store(self) -> CastStore:
        engine = open_state(self._config.state_folder, self._config.jobs)
        return CastStore(engine, self._config.cast.max_members)

    @cached_property
    def _files(self) -> Pictures:
        return open_pictures(self._config.jobs.pictures_place(self._config.state_folder))

    async def would_add(self, owner: str, name: str) -> None:
        """Refuse what add would refuse, before any picture is kept for it."""
        with self._drawing_refusals(name):
            await self._in_thread(lambda: self._store.would_add(owner, name))

    async def would_replace(
        self, owner: str, name: str, version: int | None = None, tags: Sequence[str] | None = None
    ) -> None:
        """Refuse what replace would refuse, before any picture is kept for it."""
        check_name(name)
        with self._drawing_refusals(name, "If-Match" if version is None else "version"):
            if not await self._in_thread(lambda: self._store.would_replace(owner, name, version, tags)):
                raise Refusal(404, "not_found", NO_MEMBER)

    async def add(self, owner: str, name: str, body: CastBody, pictures: Known) -> KeptMember:
        """Keep a new member. Raises Refusal 409 if the name is taken, and 507 if there is no room."""
        with self._drawing_refusals(name):
            kept = _kept(body, pictures)
            return await self._in_thread(lambda: self._store.add(owner, name, kept))

    async def replace(
        self,
        owner: str,
        name: str,
        body: CastBody,
        pictures: Known,
        version: int | None = None,
        tags: Sequence[str] | None = None,
    ) -> KeptMember:
        """Keep a member's next version, if the current one is as expected. Raises Refusal 404 and 412."""
        kept = _kept(body, pictures)
        with self._drawing_refusals(name, "If-Match" if version is None else "version"):
            return _there(
                await self._in_thread(lambda: self._store.replace(owner, name, kept, version, tags))
            )

    async def find(self, owner: str, name: str) -> KeptMember:
        """Return a member. Raises Refusal 404."""
        check_name(name)
        return _there((await self._in_thread(lambda: self._store.find(owner, [name]))).get(name))

    async def page(self, owner: str, limit: int, after: str | None) -> tuple[list[KeptMember], str | None]:
        """Return a page of members, and the cursor of the next one."""
        found = await self._in_thread(lambda: self._store.page(owner, limit + 1, after))
        return found[:limit], found[limit - 1].name if len(found) > limit else None

    async def remove(self, owner: str, name: str, tags: Sequence[str] | None = None) -> KeptMember:
        """Delete a member, and its pictures if nothing else holds them. Raises Refusal 404 and 412."""
        check_name(name)
        with self._drawing_refusals(name, "If-Match"):
            return _there(await self._in_thread(partial(self._remove, owner, name, tags)))

    async def members(self, owner: str, names: Iterable[str]) -> dict[str, Member]:
        """Return the members that exist among `names`, by name."""
        wanted = set(names)
        if not wanted:
            return {}
        return {name: _as_member(kept) for name, kept in (await self._found(owner, wanted)).items()}

    async def member(self, owner: str, name: str) -> Member:
        """Return a member to be painted. Raises Refusal 404."""
        return _as_member(await self.find(owner, name))

    async def resolve(self, owner: str, requested: Requested) -> Requested:
        """Return a request with the current members that its layers name filled in. Raises InvalidRequest."""
        if not names_cast(requested):
            return requested
        members = await self.members(owner, cast_names(requested).values())
        return with_members(requested, members, self._config)

    async def resolve_scenes(self, owner: str, scenes: Sequence[SceneRequest]) -> list[SceneRequest]:
        """Resolve the scenes of a job, all with the same version of a member. Raises InvalidRequest."""
        names = {name for scene in scenes for name in cast_names(scene).values()}
        members: Mapping[str, Member] = await self.members(owner, names)
        return [
            with_members(scene, members, self._config, f"scenes.{number}.")
            for number, scene in enumerate(scenes)
        ]

    async def _found(self, owner: str, names: set[str]) -> dict[str, KeptMember]:
        return await self._in_thread(lambda: self._store.find(owner, names))

    def _remove(self, owner: str, name: str, tags: Sequence[str] | None) -> KeptMember | None:
        found = self._store.remove(owner, name, tags)
        if found is None:
            return None
        member, tokens = found
        for token in tokens:
            with suppress(SQLAlchemyError, OSError):  # The note stays, and a worker finds it.
                loose.tidy(self._store.engine, token, self._files.drop)
        return member

    @contextmanager
    def _drawing_refusals(self, name: str, expected: str = "") -> Iterator[None]:
        """Turn the exceptions of the store into HTTP errors."""
        try:
            yield
        except NameTaken:
            message = (
                f"there is already a member of the cast named {name}: change it with PUT /v1/cast/{name}"
            )
            raise Refusal(409, "conflict", message, "name") from None
        except TooMany:
            message = f"at most {self._config.cast.max_members} members of the cast may be kept; remove some"
            raise Refusal(507, "insufficient_storage", message, retry_after_s=ROOM_S) from None
        except OtherVersion:
            message = f"{name} has changed since that version: fetch it again, and change the current version"
            raise Refusal(412, "precondition_failed", message, expected) from None
        except PicturesGone:
            message = "a reference picture has just expired or been removed: upload it again"
            raise InvalidRequest(message, "references") from None

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await in_thread(work, "the cast")


def check_name(name: str) -> None:
    """Raise Refusal 404 for a name that no member can have."""
    if not re.fullmatch(CAST_NAME, name):
        raise Refusal(404, "not_found", NO_MEMBER)


def _there(found: KeptMember | None) -> KeptMember:
    if found is None:
        raise Refusal(404, "not_found", NO_MEMBER)
    return found


def _kept(body: CastBody, pictures: Known) -> dict[str, Any]:
    """Return the stored form of a body, with the file names of its references."""
    references = dict.fromkeys(pictures[picture].name for picture in body.references)
    return {
        "description": body.description,
        "references": list(references),
        "loras": [lora.model_dump() for lora in body.loras],
        "seed": body.seed,
        "negative_prompt": body.negative_prompt,
    }


def _as_member(kept: KeptMember) -> Member:
    return Member(
        name=kept.name,
        version=kept.version,
        description=kept.description,
        references=tuple(PictureInput(id=id_of(name)) for name in kept.references),
        loras=tuple(LoraInput(**lora) for lora in kept.loras),
        seed=kept.seed,
        negative_prompt=kept.negative_prompt,
    )
