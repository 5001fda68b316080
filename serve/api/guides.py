"""Resolve what guides a layer besides its prompt: a start picture, references and a pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.diffusion.model.family import Family, ModelTask
from deployments.diffusion.model.painter_choice import tasks_of
from deployments.diffusion.model.registry import ModelCard
from deployments.errors import InvalidRequest, UnsupportedTask
from deployments.messages import Feet, Keypoint

from ..config.layer_settings import ModelSettings
from .known_pictures import InputPicture, Known
from .layer_schema import Layer

REFERENCE_SCALE, POSE_SCALE = 0.6, 1.0
STRENGTH = 0.6
"""The default for image to image. With a mask, and for an edit, it is 1: they take all steps."""
LONGEST_BY_SHORTEST = 8
"""The bound on a reference's sides, from FLUX.2. An encoder scales the shorter side to its own size, so the
longer one could otherwise grow to any length."""
SHORTEST_EDITED_PX = 64
"""The shortest side of a reference for an editing model, in pixels; also from FLUX.2."""
KNEES_AND_ANKLES = ((9, 10), (12, 13))
"""The indexes of the right and the left leg's keypoints (knee, ankle) in OpenPose's order."""
SOLE = 0.16
"""The sole's distance below the ankle, as a fraction of the shin (knee to ankle)."""
LIFTED = 0.05
"""A foot that is this much higher than the other counts as lifted, as a fraction of the picture's height."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """The picture that a layer starts from, with its strength and mask."""

    image: InputPicture | None = None
    strength: float = 1.0
    mask: InputPicture | None = None


def start_of(asked: Layer, known: Known, settings: ModelSettings, card: ModelCard, prefix: str) -> Start:
    """Return the picture that a layer starts from, with its strength and mask.

    Raises UnsupportedTask if its model cannot do that, and InvalidRequest with the parameter's path.
    """
    family = card.family
    if asked.image is None:
        for name in ("mask", "strength"):
            if getattr(asked, name) is not None:
                message = f"{prefix}{name} needs an image: give the layer one, or leave {name} out"
                raise InvalidRequest(message, f"{prefix}{name}")
        if family.from_words:
            return Start()
    possible = tasks_of(settings.generator.model)
    task = family.task_of(asked.image is not None, asked.mask is not None)
    if asked.image is None or task not in possible:
        param = f"{prefix}image" if asked.mask is None else f"{prefix}mask"
        raise UnsupportedTask(f"{card.id} cannot do {task}: it can do {', '.join(possible)}", param)
    if task == "image_editing" and asked.strength is not None:
        message = (
            f"{prefix}strength is not supported by {card.id}, which edits by instruction: leave it out,"
            " and say in the prompt how much to change"
        )
        raise UnsupportedTask(message, f"{prefix}strength")
    image, mask = known[asked.image], None
    if asked.mask is not None:
        mask = known[asked.mask]
        if (mask.width, mask.height) != (image.width, image.height):
            size = f"{image.width}x{image.height}"
            message = f"{prefix}mask must be as large as the image, {size}: it is {mask.width}x{mask.height}"
            raise InvalidRequest(message, f"{prefix}mask")
    strength = asked.strength
    if strength is None:
        strength = STRENGTH if task == "image_to_image" else 1.0
    return Start(image=image, strength=strength, mask=mask)


@dataclass(frozen=True, kw_only=True)
class Guides:
    """A layer's guides, under the field names of LayerJob."""

    references: tuple[str, ...] = ()
    reference_scale: float = 1.0
    pose: tuple[Keypoint, ...] = ()
    pose_image: str | None = None
    pose_scale: float = 1.0


def guides_of(asked: Layer, known: Known, settings: ModelSettings, card: ModelCard, prefix: str) -> Guides:
    """Return a layer's references and pose.

    Raises UnsupportedTask if its model cannot use them, and InvalidRequest with the parameter's path.
    """
    references = tuple(known[picture].name for picture in asked.references or ())
    if references:
        _check_references(asked, known, settings, card, prefix)
    elif asked.reference_scale is not None:
        message = f"{prefix}reference_scale needs references: give some, or leave reference_scale out"
        raise InvalidRequest(message, f"{prefix}reference_scale")
    if asked.pose is not None:
        _require("pose", settings, card, prefix)
        task = card.family.task_of(asked.image is not None, asked.mask is not None)
        if task not in card.family.controlled:
            message = f"{card.id} cannot do pose together with {task}"
            if asked.use is not None and asked.use.starts:
                message += f", and the layer starts from the reference of the cast member {asked.use.name}"
            raise UnsupportedTask(message, f"{prefix}pose")
    elif asked.pose_scale is not None:
        message = f"{prefix}pose_scale needs a pose: give the layer one, or leave pose_scale out"
        raise InvalidRequest(message, f"{prefix}pose_scale")
    keypoints = [] if asked.pose is None else asked.pose.keypoints or []
    pose = tuple((x, y, confidence) for x, y, confidence in keypoints)
    if keypoints and not any(confidence for _, _, confidence in pose):
        param = f"{prefix}pose.keypoints"
        raise InvalidRequest(f"{param}: at least one point must have a confidence above 0", param)
    image = None if asked.pose is None else asked.pose.image
    return Guides(
        references=references,
        reference_scale=_scale(asked.reference_scale, REFERENCE_SCALE) if references else 1.0,
        pose=pose,
        pose_image=None if image is None else known[image].name,
        pose_scale=_scale(asked.pose_scale, POSE_SCALE),
    )


def feet_of(pose: Sequence[Keypoint]) -> Feet | None:
    """Return the point on the ground between the standing feet of a pose, or None if it has no ankle."""
    soles = []
    for knee, ankle in KNEES_AND_ANKLES if pose else ():
        x, y, there = pose[ankle]
        if there:
            shin = max(0.0, y - pose[knee][1]) if pose[knee][2] else 0.0
            soles.append((x, min(1.0, y + SOLE * shin)))
    if not soles:
        return None
    lowest = max(y for _, y in soles)
    standing = [x for x, y in soles if lowest - y < LIFTED]
    return sum(standing) / len(standing), lowest


def _check_references(
    asked: Layer, known: Known, settings: ModelSettings, card: ModelCard, prefix: str
) -> None:
    family = card.family
    of_its_own = bool(family.reference_argument or family.masked_reference_argument)
    if of_its_own:
        _check_mask(asked, card, family, prefix)
    else:
        _require("references", settings, card, prefix)
    least = SHORTEST_EDITED_PX if of_its_own else 1
    for index, picture in enumerate(asked.references or ()):
        shorter, longer = sorted((known[picture].width, known[picture].height))
        if shorter < least or longer > LONGEST_BY_SHORTEST * shorter:
            param = f"{prefix}references.{index}"
            message = f"{param} must have a longer side at most {LONGEST_BY_SHORTEST} times the shorter one"
            at_least = f", and a shorter side of at least {least} pixels" if least > 1 else ""
            raise InvalidRequest(f"{message}{at_least}: it is {longer} by {shorter} pixels", param)
    if not of_its_own:
        return
    if asked.reference_scale not in (None, REFERENCE_SCALE):
        param = f"{prefix}reference_scale"
        message = f"{param} is not supported by {card.id}: {family.title} has no such scale, so leave it out"
        raise InvalidRequest(message, param)


def _check_mask(asked: Layer, card: ModelCard, family: Family, prefix: str) -> None:
    """Raise UnsupportedTask if an editing model cannot take the references with its mask, or without one."""
    masked, several = asked.mask is not None, len(asked.references or ()) > 1
    fault = ""
    if masked and not family.masked_reference_argument:
        fault = "cannot take references together with a mask"
    elif masked and several:
        fault = "takes only one reference together with a mask"
    elif not masked and not family.reference_argument:
        fault = "takes a reference only together with a mask, and only one"
    if fault:
        raise UnsupportedTask(f"{card.id} {fault}", f"{prefix}references")


def _require(task: ModelTask, settings: ModelSettings, card: ModelCard, prefix: str) -> None:
    """Raise UnsupportedTask, naming the tasks that the model can do, unless it can do this one."""
    possible = tasks_of(settings.generator.model)
    if task in possible:
        return
    message = f"{card.id} cannot do {task}: it can do {', '.join(possible)}"
    if "image_to_image" in possible:
        message += f"; to start from a picture instead, use {prefix}image with {prefix}strength"
    raise UnsupportedTask(message, f"{prefix}{task}")


def _scale(given: float | None, default: float) -> float:
    return default if given is None else given
