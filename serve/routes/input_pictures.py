"""Read the pictures that a request's layers name: uploaded before, or sent inside the request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

from fastapi import Request

from deployments.errors import InvalidRequest, NotReady
from deployments.imaging.files.decoding import measure
from deployments.merge_work import read_megapixels
from deployments.messages import Picture, PictureJob

from ..api.known_pictures import InputPicture, InputPictures
from ..api.layer_schema import PictureInput
from ..auth.middleware import tenant_of
from ..config.request_limits import Limits
from ..graph.other_renders import read_picture
from ..graph.scene import Graph
from ..http.body import abandon_with_client
from ..http.error_responses import Refusal
from ..http.held_bytes import hold_more, holding_more
from ..http.inline_pictures import decode_base64
from ..http.off_loop import off_loop
from ..pictures.picture_files import name_of
from ..pictures.picture_service import PictureService
from ..pictures.picture_store import KeptPicture
from .charges import charged

DEADLINE_S = 120.0
Job = TypeVar("Job")
Named = Iterable[tuple[str, PictureInput]]


async def read_inputs(
    request: Request,
    named: Named,
    graph: Graph,
    limits: Limits,
    pictures: PictureService,
    deadline_at: float,
) -> InputPictures:
    """Read the named pictures, and return them with their files.

    Raises InvalidRequest naming the picture at fault, DeadlineExceeded, Overloaded if too many bytes are in
    flight, and Refusal 410 for a damaged picture and 413 for more bytes than can ever be held.
    """
    known: dict[PictureInput, InputPicture] = {}
    files: dict[str, bytes] = {}
    for param, asked in await _hashed(named):
        if asked in known:
            continue
        if asked.id is not None:
            kept, data = await _uploaded(request, param, asked.id, pictures)
            known[asked], files[kept.name] = kept, data
        else:
            picture = await _inline(request, param, str(asked.b64_json), graph, limits, deadline_at)
            with naming(param, "b64_json"):
                hold_more(request.scope, len(picture.data))
            name = name_of(picture.data)
            known[asked] = InputPicture(name=name, width=picture.width_px, height=picture.height_px)
            files[name] = picture.data
    return InputPictures(known, files)


@asynccontextmanager
async def keeping_inputs(
    request: Request, named: Named, graph: Graph, limits: Limits, pictures: PictureService
) -> AsyncGenerator[Mapping[PictureInput, InputPicture], None]:
    """Yield the pictures that a job names, and keep those that were sent inside the request.

    If the block raises, or a picture is refused, those that were not kept before are deleted again. Raises
    InvalidRequest naming the picture at fault, and Refusal 507 if there is no room.
    """
    tenant, known = tenant_of(request), dict[PictureInput, InputPicture]()
    asked_for = {picture: param for param, picture in reversed(await _hashed(named))}
    uploaded = await pictures.find_all(tenant, [each.id for each in asked_for if each.id is not None])
    async with undone_on_failure(tenant, pictures) as added:
        for asked, param in asked_for.items():
            if asked.id is not None:
                if asked.id not in uploaded:
                    raise _missing(param)
                kept = uploaded[asked.id]
            else:
                deadline_at = time.monotonic() + DEADLINE_S
                picture = await _inline(request, param, str(asked.b64_json), graph, limits, deadline_at)
                with naming(param, "b64_json"), holding_more(request.scope, len(picture.data)):
                    kept = await pictures.keep(tenant, picture)
                added.append(kept)
            known[asked] = InputPicture(name=kept.name, width=kept.width, height=kept.height)
        yield known


@asynccontextmanager
async def undone_on_failure(tenant: str, pictures: PictureService) -> AsyncGenerator[list[KeptPicture], None]:
    """Yield a list for the pictures that the block keeps. If the block raises, delete the new ones again."""
    added: list[KeptPicture] = []
    try:
        yield added
    except BaseException:
        if added:
            with suppress(NotReady, Refusal):  # If this fails, they stay until they expire.
                await asyncio.shield(pictures.undo(tenant, added))
        raise


async def _hashed(named: Named) -> list[tuple[str, PictureInput]]:
    """Return the pictures as a list, and hash long strings off the event loop: a string caches its hash."""
    listed = list(named)
    if any(picture.b64_json is not None for _, picture in listed):
        await off_loop(lambda: [hash(picture) for _, picture in listed])
    return listed


async def _uploaded(
    request: Request, param: str, picture_id: str, pictures: PictureService
) -> tuple[InputPicture, bytes]:
    tenant = tenant_of(request)
    with naming(param, "id"):
        kept = await pictures.find(tenant, picture_id)
        hold_more(request.scope, kept.bytes)
        kept, data = await pictures.read(tenant, picture_id)
    return InputPicture(name=kept.name, width=kept.width, height=kept.height), data


@contextmanager
def naming(param: str, field: str = "") -> Iterator[None]:
    """Add the picture's parameter to a refusal that is raised inside the block."""
    try:
        yield
    except Refusal as refusal:
        if refusal.status == 404:
            raise _missing(param) from None
        message, place = f"{param}: {refusal.message}", f"{param}.{field}" if field else param
        raise Refusal(refusal.status, refusal.code, message, place, refusal.retry_after_s) from None


async def _inline(
    request: Request, param: str, text: str, graph: Graph, limits: Limits, deadline_at: float
) -> Picture:
    place = f"{param}.b64_json"

    def decoded() -> bytes:
        try:
            return decode_base64(text)
        except ValueError:
            raise InvalidRequest(f"{place} is not base64", place) from None

    return await read_one(request, place, decoded, graph, limits, deadline_at)


async def read_one(
    request: Request,
    place: str,
    file: Callable[[], bytes],
    graph: Graph,
    limits: Limits,
    deadline_at: float,
    paints_transparent: bool = False,
) -> Picture:
    """Have the merger read a file. Raises InvalidRequest naming `place`."""

    def measured() -> tuple[bytes, int]:
        data = file()
        return data, measure(data, place, limits.max_upload_pixels)

    data, pixels = await off_loop(measured)
    job = PictureJob(
        request.state.request_id,
        data,
        place,
        limits.max_upload_pixels,
        pixels,
        tenant_of(request),
        paints_transparent,
    )
    reading = read_picture(graph, job, min(deadline_at, time.monotonic() + DEADLINE_S))
    work = charged(request, read_megapixels(pixels), lambda: True, reading)
    return await abandon_with_client(request, work)


def _missing(param: str) -> InvalidRequest:
    return InvalidRequest(f"{param}: there is no such picture, or it has expired", f"{param}.id")
