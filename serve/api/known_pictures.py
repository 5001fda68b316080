"""The pictures that a request's layers start from, as they are known when it is resolved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from deployments.diffusion.model.painter_choice import tasks_of
from deployments.diffusion.model.registry import ModelCard
from deployments.errors import InvalidRequest, UnsupportedTask

from ..config.layer_settings import ModelSettings
from .layer_schema import Layer, PictureInput

STRENGTH = 0.6
"""Where a request is silent. What a mask covers is painted anew, and an edit takes all steps."""
PICTURES = ("image", "mask")


@dataclass(frozen=True, kw_only=True)
class InputPicture:
    """A picture that a layer names. `name`: that of its file, the SHA-256 of its bytes."""

    name: str
    width: int
    height: int


Known = Mapping[PictureInput, InputPicture]
NONE: Known = {}
UNREAD = InputPicture(name="", width=512, height=512)
"""The stand-in for a picture before it is read. A layer is fitted to a picture's size, and never refused for
it, and no other bound refuses this one."""


def as_unread(pictures: Iterable[PictureInput]) -> Known:
    """Return the pictures as they are taken to be before any of them is read."""
    return dict.fromkeys(pictures, UNREAD)


@dataclass(frozen=True, kw_only=True)
class Start:
    """Start of a layer."""

    image: InputPicture | None = None
    strength: float = 1.0
    mask: InputPicture | None = None


@dataclass(frozen=True)
class InputPictures:
    """Facts of a request's pictures, and their files by name."""

    known: Known = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def named_pictures(layer: Layer, prefix: str = "") -> Iterator[tuple[str, PictureInput]]:
    """Yield the pictures that a layer names, each after its parameter's path.

    That of a member of the cast, with which figures are compared, comes last: it may be among the others.
    """
    for name in PICTURES:
        picture: PictureInput | None = getattr(layer, name)
        if picture is not None:
            yield prefix + name, picture
    if layer.use is not None and layer.use.reference is not None:
        yield f"{prefix}cast", layer.use.reference
    for index, reference in enumerate(layer.references or ()):
        yield f"{prefix}references.{index}", reference
    if layer.pose is not None and layer.pose.image is not None:
        yield f"{prefix}pose.image", layer.pose.image


def start_of(asked: Layer, known: Known, settings: ModelSettings, card: ModelCard, prefix: str) -> Start:
    """Return what a layer starts from.

    Raises UnsupportedTask where its model cannot do that, and InvalidRequest with the parameter's path.
    """
    family = card.family
    if asked.image is None:
        for name in ("mask", "strength"):
            if getattr(asked, name) is not None:
                raise InvalidRequest(f"{prefix}{name} is for a layer with an image", f"{prefix}{name}")
        if family.from_words:
            return Start()
    possible = tasks_of(settings.generator.model)
    task = family.task_of(asked.image is not None, asked.mask is not None)
    if asked.image is None or task not in possible:
        param = f"{prefix}image" if asked.mask is None else f"{prefix}mask"
        raise UnsupportedTask(f"{card.id} cannot do {task}: it can do {', '.join(possible)}", param)
    if task == "image_editing" and asked.strength is not None:
        message = (
            f"{prefix}strength is not for {card.id}: it edits by instruction, and goes as far as that says"
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
