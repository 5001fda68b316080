"""Define the fields that OpenAI's two requests for pictures share, and what they mean here.

`model` is `scene`, `character` or `background`, or the id of a model that is served here. A scene's prompt
is `character | background`; generations also take two fields with these names. Fields of OpenAI's that have
no meaning here are accepted and ignored.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from deployments.errors import InvalidRequest
from deployments.messages import Fallback, PictureFormat

from ..config.service_config import ServiceConfig
from ..http.body import parse
from .layer_schema import CharacterRequest, LayerRequest
from .model_list import layers_painted_by, listing
from .scene_schema import Merge, SceneRequest
from .wire import Deadline, Seed, Wire, Words

MAX_IMAGES = 10
SEPARATOR = "|"
Subject = Literal["scene", "character", "background"]
SUBJECTS: dict[str, Subject] = {subject: subject for subject in get_args(Subject)}
IGNORED = Annotated[str, StringConstraints(max_length=500)] | None
SIDES = ("width", "height", "merge.width", "merge.height")
SHARED = ("negative_prompt", "num_inference_steps", "guidance_scale")
"""Fields that apply to all layers here."""
TWO_DESCRIPTIONS = "a scene's prompt must be `character | background`; or give both as fields"
SIZE = r"(auto|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})"


def _a_size(size: str) -> str:
    if not re.fullmatch(SIZE, size):
        raise ValueError(
            "must be WIDTHxHEIGHT in pixels, each with two to four digits, such as 512x384; or auto"
        )
    return size


Size = Annotated[str, AfterValidator(_a_size), Field(json_schema_extra={"pattern": f"^{SIZE}$"})]


class OpenAIRequest(Wire):
    """The fields that both endpoints have."""

    prompt: Words = Field(description="for a scene: `character | background`")
    model: str = Field(
        "scene",
        max_length=200,
        description="`scene`, `character` or `background`, or the id of a model, which paints the layer that "
        "it serves; one that serves both paints a scene if both are described, otherwise a character",
    )
    n: int = Field(1, ge=1, le=MAX_IMAGES)
    size: Size | None = Field(None, description="WIDTHxHEIGHT, or auto for the service's default")
    output_format: PictureFormat = "png"
    output_compression: int | None = Field(None, ge=0, le=100, description="quality of JPEG and WebP")
    response_format: Literal["b64_json", "url"] = Field(
        "b64_json",
        description="with `url` each picture is a signed link, kept for a while; cannot be used with stream",
    )
    stream: bool = False
    partial_images: int | None = Field(
        None, ge=0, le=3, description="with stream: the number of previews before the finished picture"
    )
    negative_prompt: Words | None = Field(None, description="used for every layer that has none of its own")
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    seed: Seed | None = Field(
        None, description="the seed of the first picture; each further picture adds one to it"
    )
    enhance_prompt: bool = True
    merge: Merge = Merge()
    fallback: Fallback = "reduce"
    deadline_s: Deadline = 120.0
    quality: IGNORED = None
    style: IGNORED = None
    moderation: IGNORED = None
    user: IGNORED = None
    safety_identifier: IGNORED = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.stream and self.n > 1:
            raise ValueError("a stream sends one picture: n must be 1")
        if self.stream and self.response_format == "url":
            raise ValueError("a stream sends its pictures as b64_json: response_format cannot be url")
        return self

    def to_request(self, number: int, config: ServiceConfig) -> SceneRequest | LayerRequest:
        """Return the `number`-th picture as our own request. Raises InvalidRequest naming OpenAI's field."""
        subject, named = self._subject(config)
        common = {
            "output": _given(format=self.output_format, quality=self._quality),
            "fallback": self.fallback,
            "deadline_s": self.deadline_s,
        }
        width, height = self._size
        if subject == "scene":
            if self._is_transparent:
                raise InvalidRequest("a scene cannot be transparent: use model character", "background")
            layers = self._layers(named)
            merge = self.merge.model_dump(exclude_unset=True) | _given(width=width, height=height)
            scene = {**layers, "merge": merge, **common}
            return self._with_uses(parse(scene | _given(seed=self._seed(number)), SceneRequest))
        layer = {
            **self._filled({"prompt": self.prompt, **self._start}, named),
            **_given(width=width, height=height, seed=self._seed(number)),
            **common,
        }
        if subject == "character":
            return parse(layer | {"cutout": self._is_transparent}, CharacterRequest)
        if self._is_transparent:
            raise InvalidRequest("only a character can be transparent", "background")
        return parse(layer, LayerRequest)

    def model_of_layers(self, config: ServiceConfig) -> str | None:
        """Return the model that paints layers which name none. Raises InvalidRequest."""
        return self._subject(config)[1]

    def _with_uses(self, scene: SceneRequest) -> SceneRequest:
        """Add each layer's member of the cast to a scene: the wire format does not carry it."""
        return scene

    def param_of(self, path: str) -> str:
        """Return the name that a field of our own request has here."""
        layer, _, name = path.rpartition(".")
        if path in SIDES:
            return "size"
        own = getattr(_part(self, layer), name, None) if layer else None
        return name if name in SHARED and getattr(self, name) is not None and own is None else path

    def sentence_of(self, message: str, path: str) -> str:
        """Return a refusal's message with the name that its field has here."""
        param = self.param_of(path)
        named = f"size: its {path.rpartition('.')[2]}" if path in SIDES else param
        return message.replace(path, named, 1)

    @property
    def _is_transparent(self) -> bool:
        return getattr(self, "background", None) == "transparent"

    @property
    def _describes_both(self) -> bool:
        """Return whether the request describes a figure and a place."""
        return SEPARATOR in self.prompt

    @property
    def _start(self) -> dict[str, Any]:
        """Return the start-picture fields of the layer that is painted from a picture."""
        return {}

    def _subject(self, config: ServiceConfig) -> tuple[Subject, str | None]:
        """Return what `model` asks to paint here, and which model it names.

        Raises InvalidRequest for a model that is not served.
        """
        if self.model in SUBJECTS:
            return SUBJECTS[self.model], None
        painted = layers_painted_by(config, self.model)
        if not painted:
            served = ", ".join(model["id"] for model in listing(config)["data"] if model["serving"])
            raise InvalidRequest(f"model must be one of {', '.join(SUBJECTS)}, {served}", "model")
        return "scene" if len(painted) > 1 and self._describes_both else painted[0], self.model

    def _layers(self, model: str | None) -> dict[str, Any]:
        """Return the scene's layers by name; `model` paints those that name none. Raises InvalidRequest."""
        words = [part.strip() for part in self.prompt.split(SEPARATOR)]
        if len(words) != 2 or not all(words):
            raise InvalidRequest(TWO_DESCRIPTIONS, "prompt")
        place = {"prompt": words[1], **self._start}
        return {
            "character": self._filled({"prompt": words[0]}, model),
            "background": self._filled(place, model),
        }

    def _filled(self, layer: dict[str, Any], model: str | None) -> dict[str, Any]:
        """Fill a layer's missing fields with those that are given for all layers."""
        shared = _given(
            negative_prompt=self.negative_prompt,
            num_inference_steps=self.num_inference_steps,
            guidance_scale=self.guidance_scale,
            model=model,
        )
        return {"enhance_prompt": self.enhance_prompt, **shared, **layer}

    @property
    def _size(self) -> tuple[int | None, int | None]:
        if self.size in (None, "auto"):
            return None, None
        width, _, height = str(self.size).partition("x")
        return int(width), int(height)

    @property
    def _quality(self) -> int | None:
        return None if self.output_compression is None else max(1, self.output_compression)

    def _seed(self, number: int) -> int | None:
        return None if self.seed is None else (self.seed + number) % 2**53


def _part(requested: OpenAIRequest, path: str) -> Any:
    """Return the part of a request at a path such as `characters.0`, or None if there is none."""
    name, _, index = path.partition(".")
    part = getattr(requested, name, None)
    return part[int(index)] if isinstance(part, list) and index.isdigit() else part


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
