"""Read the pictures that a form sends as files, and keep them if a job starts from them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import Request

from deployments.messages import Picture

from ..api.known_pictures import InputPicture, InputPictures
from ..api.layer_schema import PictureInput
from ..auth.middleware import tenant_of
from ..config.request_limits import Limits
from ..graph.scene import Graph
from ..http.forms import names_of
from ..http.held_bytes import hold_more
from ..pictures.picture_files import name_of
from ..pictures.picture_service import PictureService, id_of
from .input_pictures import naming, read_one, undone_on_failure

MASK = "mask"
FormPictures = Mapping[str, Sequence[PictureInput]]
"""The pictures of a form by the names of their fields, each in the form's order."""


def unread(files: Mapping[str, Sequence[bytes]]) -> FormPictures:
    """Return placeholders for a form's pictures before they are read."""
    return {
        field: [PictureInput(id=name) for name in names_of(field, parts)] for field, parts in files.items()
    }


async def read_files(
    request: Request,
    files: Mapping[str, Sequence[bytes]],
    graph: Graph,
    limits: Limits,
    deadline_at: float,
) -> tuple[FormPictures, InputPictures]:
    """Read the pictures of a form, and return them with their files. A `mask` is in OpenAI's format.

    Raises InvalidRequest naming the picture at fault, DeadlineExceeded, Overloaded if too many bytes are in
    flight, and Refusal 413 for more bytes than can ever be held.
    """
    found: dict[str, list[PictureInput]] = {field: [] for field in files}
    known: dict[PictureInput, InputPicture] = {}
    kept: dict[str, bytes] = {}
    for field, parts in files.items():
        for param, data in zip(names_of(field, parts), parts, strict=True):
            file = partial(bytes, data)
            picture = await read_one(request, param, file, graph, limits, deadline_at, field == MASK)
            with naming(param):
                hold_more(request.scope, len(picture.data))
            name = name_of(picture.data)
            asked = PictureInput(id=id_of(name))
            found[field].append(asked)
            known[asked] = InputPicture(name=name, width=picture.width_px, height=picture.height_px)
            kept[name] = picture.data
    return found, InputPictures(known, kept)


@asynccontextmanager
async def keeping_files(
    request: Request, inputs: InputPictures, pictures: PictureService
) -> AsyncGenerator[None, None]:
    """Keep a form's pictures for its tenant. If the block raises, delete the new ones again.

    Raises Refusal 507 if there is no room.
    """
    tenant = tenant_of(request)
    async with undone_on_failure(tenant, pictures) as added:
        for each in inputs.known.values():
            picture = Picture("png", each.width, each.height, inputs.files[each.name])
            added.append(await pictures.keep(tenant, picture))
        yield
