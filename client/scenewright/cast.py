"""The cast: heroes that a service keeps by name. `client.cast` is a Cast or an AsyncCast."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from . import calls, member_calls
from .call import Call
from .errors import not_sent
from .pictures import File, named, read_picture

T = TypeVar("T")
Reference = File | Mapping[str, Any]


class Caller(Protocol):
    """Make a call, and return its result."""

    def __call__(self, call: Call[T], /) -> T: ...


class AsyncCaller(Protocol):
    """Make a call, and return its result."""

    def __call__(self, call: Call[T], /) -> Awaitable[T]: ...


class Cast:
    """Add, change, look up and remove heroes. Every method raises the same errors as the client's own."""

    def __init__(self, do: Caller) -> None:
        self._do = do

    def add(self, name: str, references: Sequence[Reference] = (), **fields: Any) -> dict[str, Any]:
        """Add a member: POST /v1/cast. `fields` may be `description`, `seed` and `negative_prompt`.

        `references` are pictures: files (a pathlib.Path or bytes), or results of upload_picture.
        """
        return self._do(
            member_calls.add_member({"name": name, **self._with_references(references), **fields})
        )

    def get(self, name: str) -> dict[str, Any]:
        """Return a member: GET /v1/cast/{name}."""
        return self._do(member_calls.member(name))

    def list(self, limit: int = 20, after: str | None = None) -> dict[str, Any]:
        """List members by name: GET /v1/cast. Returns `data` and `next`, the `after` of the next page."""
        return self._do(member_calls.members(limit, after))

    def change(
        self, name: str, version: int | None = None, references: Sequence[Reference] = (), **fields: Any
    ) -> dict[str, Any]:
        """Replace all fields of a member: PUT /v1/cast/{name}. A field that is left out is removed.

        Raises Conflict if the member is no longer at this `version`.
        """
        return self._do(
            member_calls.change_member(name, {**self._with_references(references), **fields}, version)
        )

    def remove(self, name: str) -> dict[str, Any]:
        """Remove a member, and its pictures that nothing else uses: DELETE /v1/cast/{name}."""
        return self._do(member_calls.remove_member(name))

    def sheet(self, name: str, poses: Sequence[str | Mapping[str, Any]] = (), **options: Any) -> bytes:
        """Paint a member in poses, as a ZIP of an atlas and its JSON: POST or GET /v1/cast/{name}/sheet."""
        return self._do(member_calls.sheet(name, poses, options))

    def _with_references(self, references: Sequence[Reference]) -> dict[str, Any]:
        ids = [
            kept if (kept := kept_picture(each, index)) is not None else self._uploaded(each, index)
            for index, each in enumerate(_listed(references))
        ]
        return {"references": ids} if ids else {}

    def _uploaded(self, reference: Any, index: int) -> dict[str, str]:
        with named(param := f"references.{index}"):
            return {"id": self._do(calls.upload_picture(reference, param))["id"]}


class AsyncCast:
    """Add, change, look up and remove heroes. Every method raises the same errors as the client's own."""

    def __init__(self, do: AsyncCaller) -> None:
        self._do = do

    async def add(self, name: str, references: Sequence[Reference] = (), **fields: Any) -> dict[str, Any]:
        """Add a member: POST /v1/cast. `fields` may be `description`, `seed` and `negative_prompt`.

        `references` are pictures: files (a pathlib.Path or bytes), or results of upload_picture.
        """
        given = await self._with_references(references)
        return await self._do(member_calls.add_member({"name": name, **given, **fields}))

    async def get(self, name: str) -> dict[str, Any]:
        """Return a member: GET /v1/cast/{name}."""
        return await self._do(member_calls.member(name))

    async def list(self, limit: int = 20, after: str | None = None) -> dict[str, Any]:
        """List members by name: GET /v1/cast. Returns `data` and `next`, the `after` of the next page."""
        return await self._do(member_calls.members(limit, after))

    async def change(
        self, name: str, version: int | None = None, references: Sequence[Reference] = (), **fields: Any
    ) -> dict[str, Any]:
        """Replace all fields of a member: PUT /v1/cast/{name}. A field that is left out is removed.

        Raises Conflict if the member is no longer at this `version`.
        """
        given = await self._with_references(references)
        return await self._do(member_calls.change_member(name, {**given, **fields}, version))

    async def remove(self, name: str) -> dict[str, Any]:
        """Remove a member, and its pictures that nothing else uses: DELETE /v1/cast/{name}."""
        return await self._do(member_calls.remove_member(name))

    async def sheet(self, name: str, poses: Sequence[str | Mapping[str, Any]] = (), **options: Any) -> bytes:
        """Paint a member in poses, as a ZIP of an atlas and its JSON: POST or GET /v1/cast/{name}/sheet."""
        return await self._do(member_calls.sheet(name, poses, options))

    async def _with_references(self, references: Sequence[Reference]) -> dict[str, Any]:
        ids = [
            kept if (kept := kept_picture(each, index)) is not None else await self._uploaded(each, index)
            for index, each in enumerate(_listed(references))
        ]
        return {"references": ids} if ids else {}

    async def _uploaded(self, reference: Any, index: int) -> dict[str, str]:
        with named(param := f"references.{index}"):
            return {"id": (await self._do(calls.upload_picture(reference, param)))["id"]}


def kept_picture(reference: Reference, index: int) -> dict[str, Any] | None:
    """Return a reference that the service already keeps, or None for a readable file. Raises NotSent."""
    param = f"references.{index}"
    if isinstance(reference, Mapping):
        return {"id": reference["id"]} if "id" in reference else dict(reference)
    if isinstance(reference, str):  # It may come from elsewhere, so text must not open a file.
        raise not_sent(f'{param} must be bytes, a pathlib.Path or {{"id": …}}, not a string', param)
    read_picture(param, reference)
    return None


def _listed(references: Sequence[Reference]) -> list[Reference]:
    """Return the references. Raises NotSent, before any upload, if one of their files cannot be read."""
    if isinstance(references, str | bytes) or not isinstance(references, Sequence):
        raise not_sent("references must be a list of pictures", "references")
    for index, each in enumerate(references):
        kept_picture(each, index)
    return list(references)
