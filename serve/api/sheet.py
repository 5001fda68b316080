"""The wire format of a sheet: a member of the cast in several poses, as an atlas that game engines read."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Annotated, Any

from fastapi import Request
from pydantic import AfterValidator, BeforeValidator, Field

from deployments import __version__
from deployments.errors import InvalidRequest
from deployments.merge_work import sheet_memory_bytes
from deployments.messages import LayerJob, LayerResult, SheetResult

from ..config.memory_budgets import work_bytes
from ..config.service_config import ServiceConfig
from ..graph.bill import usage_of
from ..http.rendering import base64_of
from .known_pictures import Known
from .layer_schema import CharacterRequest, Layer
from .members import Member, with_members
from .resolve import admit_layer
from .response_bodies import safety_body, usage_body
from .response_schema import CastShown, PictureBody, SafetyBody, UsageBody
from .wire import Deadline, Prompt, Wire

MAX_POSES = 16
USUAL = ("standing", "walking", "running", "jumping", "waving", "sitting")
NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
ZIP, PNG = "application/zip", "image/png"


def _a_pose_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise ValueError(
            "must be 1 to 64 lowercase letters (a to z), digits, `_` or `-`, and start with a letter or digit"
        )
    return name


PoseName = Annotated[str, AfterValidator(_a_pose_name), Field(json_schema_extra={"pattern": f"^{NAME}$"})]


class SheetPose(Layer):
    """One pose: a layer of the member, and the name of its frame."""

    name: PoseName | None = Field(None, description="the name of its frame; by default made from the prompt")


def _from_words(value: Any) -> Any:
    return {"prompt": value} if isinstance(value, str) else value


PoseOrWords = Annotated[SheetPose, BeforeValidator(_from_words, json_schema_input_type=Prompt | SheetPose)]


class SheetRequest(Wire):
    """The poses of a member of the cast, each a prompt or a layer. All of them are painted in one size."""

    poses: list[PoseOrWords] = Field(min_length=1, max_length=MAX_POSES)
    deadline_s: Deadline = 120.0


class Side(Wire):
    w: int
    h: int


class Box(Side):
    x: int
    y: int


class Pivot(Wire):
    x: float
    y: float


class SheetFrame(Wire):
    """A pose's place in the atlas, in TexturePacker's format."""

    frame: Box = Field(description="the pose's box in the atlas")
    rotated: bool = Field(description="never")
    trimmed: bool
    spriteSourceSize: Box = Field(description="the pose's box in its source, in which the poses are aligned")
    sourceSize: Side = Field(description="the same for all poses")
    pivot: Pivot = Field(description="the feet, as fractions of the source; the same for all poses")
    seed: int
    consistency: float | None = Field(None, description="present if the member has a reference")


class SheetMeta(Wire):
    app: str
    version: str
    image: str = Field(description="the name of the atlas in the ZIP")
    format: str
    size: Side
    scale: str
    cast: CastShown


class SheetAnswer(Wire):
    """A sheet in TexturePacker's JSON hash format, with the atlas beside it."""

    frames: dict[str, SheetFrame] = Field(description="keyed by the pose's name with `.png` added")
    meta: SheetMeta
    image: PictureBody
    usage: UsageBody
    safety: SafetyBody | None = Field(None, description="present if this service judges pictures")


class SheetQuery(Wire):
    """Query parameters of GET /v1/cast/{name}/sheet."""

    pose: list[Prompt] = Field(
        list(USUAL), min_length=1, max_length=MAX_POSES, description="what the member does; may be repeated"
    )


def names_of(poses: Sequence[SheetPose]) -> list[str]:
    """Return unique names for the poses' frames. Raises InvalidRequest for a name that is given twice."""
    names: list[str] = []
    for index, pose in enumerate(poses):
        if pose.name is not None and pose.name in names:
            path = f"poses.{index}.name"
            raise InvalidRequest(f"{path}: another pose has the name {pose.name}", path)
        name = plain = pose.name or _slug(pose.prompt) or f"pose-{index}"
        number = 1
        given = {other.name for other in poses if other is not pose}
        while name in names or (pose.name is None and name in given):
            number += 1
            name = f"{plain[:60]}-{number}"
        names.append(name)
    return names


def layers_of(poses: Sequence[SheetPose], member: Member, config: ServiceConfig) -> list[CharacterRequest]:
    """Return the layers that paint a member's poses. Raises InvalidRequest with the parameter's path."""
    layers: list[CharacterRequest] = []
    for index, pose in enumerate(poses):
        path = f"poses.{index}."
        if pose.cast not in (None, member.name):
            message = f"{path}cast must be {member.name}, whose sheet this is, or be left out"
            raise InvalidRequest(message, f"{path}cast")
        given = pose.model_dump(exclude_unset=True, exclude={"name"})
        fixed = {"cast": member.name, "cutout": True, "fallback": "none"}
        layer = CharacterRequest.model_validate(given | fixed)
        layers.append(with_members(layer, {member.name: member}, config, path))
    return layers


def admit_poses(
    layers: Sequence[CharacterRequest],
    config: ServiceConfig,
    request_id: str,
    tenant: str,
    pictures: Known,
    deadline_at: float,
) -> list[LayerJob]:
    """Turn the layers into jobs, all of one size. Raises InvalidRequest with the parameter's path."""
    jobs: list[LayerJob] = []
    for index, layer in enumerate(layers):
        try:
            job = admit_layer("character", layer, config, request_id, tenant, pictures, deadline_at)
        except InvalidRequest as error:
            raise type(error)(f"poses.{index}: {error.message}", f"poses.{index}.{error.param}") from None
        if jobs and (job.width_px, job.height_px) != (jobs[0].width_px, jobs[0].height_px):
            message = f"poses.{index}.width: all poses of a sheet must have the same size"
            raise InvalidRequest(message, f"poses.{index}.width")
        jobs.append(replace(job, figure=index, param=f"poses.{index}"))
    room_bytes = work_bytes(config)
    if sheet_memory_bytes(sum(job.width_px * job.height_px for job in jobs)) > room_bytes:
        most = room_bytes // sheet_memory_bytes(jobs[0].width_px * jobs[0].height_px)
        size = f"{jobs[0].width_px} by {jobs[0].height_px}"
        message = f"there is memory for only {most} poses of {size} pixels: ask for fewer or smaller ones"
        raise InvalidRequest(message, "poses")
    return jobs


def wants_archive(request: Request) -> bool:
    """Return True if Accept names a ZIP, and no picture type before it."""
    named = request.headers.get("accept", "").lower().partition(ZIP)
    return bool(named[1]) and "image/" not in named[0] and "*/*" not in named[0]


def sheet_json(member: Member, sheet: SheetResult, painted: Sequence[LayerResult]) -> dict[str, Any]:
    """Return the JSON that game engines read, in TexturePacker's hash format.

    Our own additions are each frame's `seed` and `consistency`, and the member in `meta`.
    """
    frames: dict[str, Any] = {}
    for (name, frame), layer in zip(sheet.frames.items(), painted, strict=True):
        measured = {} if layer.consistency is None else {"consistency": layer.consistency}
        frames[f"{name}.png"] = {**frame, "seed": layer.seed, **measured}
    return {
        "frames": frames,
        "meta": {
            "app": "scenewright",
            "version": __version__,
            "image": f"{member.name}.png",
            "format": "RGBA8888",
            "size": {"w": sheet.atlas.width_px, "h": sheet.atlas.height_px},
            "scale": "1",
            "cast": {"name": member.name, "version": member.version},
        },
    }


def sheet_body(
    described: Mapping[str, Any], sheet: SheetResult, painted: Sequence[LayerResult]
) -> dict[str, Any]:
    """Return the whole JSON response: the engine's JSON, with the atlas beside it."""
    atlas = sheet.atlas
    body = {"format": "png", "width": atlas.width_px, "height": atlas.height_px}
    judged = safety_body(atlas)
    return {
        **described,
        "image": body | {"b64_json": base64_of(atlas.data)},
        "usage": usage_body(usage_of(painted)).model_dump(),
        **({} if judged is None else {"safety": judged.model_dump()}),
    }


def sheet_archive(member: str, described: Mapping[str, Any], sheet: SheetResult) -> bytes:
    """Return a ZIP of the atlas, its JSON, and each pose as a separate file."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as files:  # PNG is already compressed.
        files.writestr(f"{member}.png", sheet.atlas.data)
        files.writestr(f"{member}.json", json.dumps(described, indent=2))
        for name, picture in sheet.poses.items():
            files.writestr(f"poses/{name}.png", picture.data)
    return archive.getvalue()


def _slug(prompt: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40].strip("-")
