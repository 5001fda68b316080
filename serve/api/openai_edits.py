"""The OpenAI-compatible request that changes a picture: a form of files and text fields.

A scene's background, or the single layer, starts from the first picture. A mask makes it inpainting, and a
strength image to image; a model that edits by instruction needs neither. The pictures after the first are
references. A text field that is empty or `null` counts as left out: a form has no other way to say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from deployments.errors import InvalidRequest
from deployments.messages import MAX_REFERENCES

from ..config.request_limits import Limits
from ..config.service_config import ServiceConfig
from ..http.body import parse
from ..http.strict_json import InvalidJson, decode
from .known_pictures import InputPicture, Known
from .layer_schema import PICTURES, PictureInput, Scale
from .openai_request import IGNORED, OpenAIRequest

FILES = {"image": 1 + MAX_REFERENCES, "mask": 1}
"""The files of the form, and the most there may be of each."""
OF_FILES = ("image", "mask", "references")
"""The fields that are filled from the files."""
NULLS = ("", "null")
BOOLS = {"True": "true", "False": "false"}
"""Booleans as Python's `str` writes them, since some clients fill a form with it."""
KEY = re.compile(r"([a-z_]{1,40})((?:\[[a-z_]{1,40}\]){0,3})")
START = (*PICTURES, "strength", "references", "reference_scale")


class EditsRequest(OpenAIRequest):
    """POST /v1/images/edits."""

    prompt: str = Field(
        description="what the picture should become; for a scene `character | background`, where the picture "
        "is the place and the character is set into it"
    )
    model: str = Field(
        "background",
        max_length=200,
        description="`background`, `character` or `scene`, or the id of a model, which paints the layer that "
        "it serves",
    )
    image: PictureInput | None = None
    mask: PictureInput | None = None
    strength: float | None = Field(
        None, gt=0, le=1, description="how much to change the picture; by default 0.6, or 1 with a mask"
    )
    references: SkipJsonSchema[list[PictureInput] | None] = None
    reference_scale: Scale | None = Field(
        None,
        description="how closely to follow the images after the first; needs a model with an IP-Adapter",
    )
    background: Literal["transparent", "opaque", "auto"] | None = Field(
        None, description="`transparent` returns a character cut out"
    )
    input_fidelity: IGNORED = None
    complexity: IGNORED = None

    def of_pictures(
        self, found: Mapping[str, Sequence[PictureInput]], known: Known, config: ServiceConfig
    ) -> EditsRequest:
        """Return the request with its pictures.

        A scene's frame takes the first picture's size, within the limits, unless the request gives a size.
        Raises InvalidRequest for a model that is not served.
        """
        image, *references = found["image"]
        mask = next(iter(found["mask"]), None)
        made = self.model_copy(update={"image": image, "mask": mask, "references": references or None})
        given = (self.merge.width, self.merge.height, None if self.size == "auto" else self.size)
        if self._subject(config)[0] != "scene" or any(side is not None for side in given):
            return made
        return made.model_copy(update={"size": _frame(known[image], config.limits)})

    def param_of(self, path: str) -> str:
        layer, _, name = path.rpartition(".")
        first, _, index = path.removeprefix("background.").partition(".")
        if first == "references":
            return f"image.{int(index) + 1}" if index.isdigit() else "image"
        return name if layer and name in START else super().param_of(path)

    def sentence_of(self, message: str, path: str) -> str:
        whole = path.removeprefix("background.") == "references"
        after = "the images after the first are references, and "
        return after + message if whole else super().sentence_of(message, path)

    @property
    def _start(self) -> dict[str, Any]:
        return self.model_dump(include=set(START), exclude_none=True)


def read_texts(texts: Mapping[str, str]) -> EditsRequest:
    """Read the text fields of a form. Raises InvalidRequest naming the first field at fault."""
    body: dict[str, Any] = {}
    for key, text in texts.items():
        first, *more = _path(key)
        if first not in FIELDS:
            raise InvalidRequest(f"{first} is not a known field", first)
        value = _value(text, is_text=first in TEXTS)
        place: dict[str, Any] = body
        for name in (first, *more)[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise _twice(first)
        if [first, *more][-1] in place:
            raise _twice(first)
        place[[first, *more][-1]] = value
    return parse(body, EditsRequest)


def _path(key: str) -> list[str]:
    """Return the names in a key such as `merge[width]`, as OpenAI's clients write an object's fields."""
    found = KEY.fullmatch(key)
    return [key] if found is None else [found[1], *re.findall(r"[a-z_]+", found[2])]


def _value(text: str, is_text: bool) -> Any:
    if text in NULLS:
        return None
    if is_text:
        return text
    try:
        return decode(BOOLS.get(text, text).encode())
    except InvalidJson:
        return text  # A plain word. If the field takes none, its own type refuses it.


def _twice(name: str) -> InvalidRequest:
    return InvalidRequest(f"{name} is given more than once in the form", name)


def _frame(image: InputPicture, limits: Limits) -> str:
    most = limits.max_frame_size or limits.max_image_size
    scale = min(1.0, most / max(image.width, image.height))
    sides = (max(limits.min_image_size, int(side * scale)) for side in (image.width, image.height))
    return "x".join(map(str, sides))


def _texts() -> Iterator[str]:
    for name, field in EditsRequest.model_json_schema()["properties"].items():
        options = field.get("anyOf", [field])
        if any(option.get("type") == "string" for option in options):
            yield name


FIELDS = tuple(name for name in EditsRequest.model_fields if name not in OF_FILES)
TEXTS = frozenset(_texts())
