"""Define the wire format of one layer to paint, and of its inputs: pictures, LoRAs and a pose."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from deployments.messages import MAX_LORA_SCALE, MAX_LORAS, MAX_REFERENCES, Fallback, PictureFormat

from .speed import Speed
from .wire import ALIASES, CastName, Deadline, Prompt, Seed, Wire, Words


def _describe_aliases(schema: dict[str, Any]) -> None:
    """Describe both names of a field, and that only one of them may be given: pydantic's schema knows one."""
    described: dict[str, Any] = {}
    for name, field in schema["properties"].items():
        described[name] = field
        if alias := ALIASES.get(name):
            described[alias] = deepcopy(field) | {"title": alias, "description": f"another name for {name}"}
    schema["properties"] = described
    given = {"not": {"type": "null"}}
    schema["allOf"] = [
        {"not": {"required": [name, alias], "properties": {name: given, alias: given}}}
        for name, alias in ALIASES.items()
    ]


class Output(Wire):
    """Encoding of the response's pictures."""

    format: PictureFormat | None = Field(None, description="overrides a format named in the Accept header")
    quality: int | None = Field(
        None, ge=1, le=100, description="for JPEG and WebP; 95 unless the service is configured otherwise"
    )
    upscale: float = Field(
        1.0,
        ge=1,
        le=64,
        description="factor by which to enlarge the picture for print, by Lanczos resampling, up to "
        "`limits.max_upscaled_size` pixels a side; its layers keep their size",
    )
    sent_as: Literal["b64_json", "url"] | None = Field(
        None,
        alias="as",
        description="with `url` the response is JSON with signed links to the pictures, kept for a while",
    )


class PictureInput(Wire):
    """A picture to paint from: either an uploaded one by its id, or its file inside the request.

    The service never fetches a picture from an address.
    """

    id: str | None = Field(None, max_length=100, description="the id that POST /v1/pictures returned")
    b64_json: str | None = Field(None, description="a PNG, JPEG or WebP file in base64")

    @model_validator(mode="before")
    @classmethod
    def _no_address(cls, value: Any) -> Any:
        if isinstance(value, dict) and "url" in value:
            raise ValueError("no picture is fetched from a URL: upload the picture, or send it as b64_json")
        return value

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.id is None) == (self.b64_json is None):
            raise ValueError("a picture must have either id or b64_json, and not both")
        return self


class LoraInput(Wire):
    """One of the model's LoRAs, by its name in `/v1/models`."""

    name: str = Field(min_length=1, max_length=200)
    scale: float = Field(
        1.0,
        ge=-MAX_LORA_SCALE,
        le=MAX_LORA_SCALE,
        description="how strongly it is applied: 0 has no effect, and a negative value reverses the effect",
    )


@dataclass(frozen=True, kw_only=True)
class CastUse:
    """The member of the cast that a layer paints, once that is resolved.

    `version` is 0 for a member that is defined inline. `reference` is the picture that figures are compared
    with, and `starts` says whether the layer starts from it.
    """

    name: str
    version: int
    reference: PictureInput | None = None
    starts: bool = False


Scale = Annotated[float, Field(ge=0, le=2)]
Point = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)]
KEYPOINTS = 18
PICTURES = ("image", "mask")


class Pose(Wire):
    """The pose of a figure: either its keypoints, or the control picture that a ControlNet reads."""

    keypoints: list[Point] | None = Field(
        None,
        min_length=KEYPOINTS,
        max_length=KEYPOINTS,
        description="x, y and a confidence for each of OpenPose's 18 points, in its order: nose, neck, right "
        "shoulder, elbow and wrist, the left ones, right hip, knee and ankle, the left ones, right and left "
        "eye, right and left ear; x and y are fractions of the layer's width and height, and a confidence of "
        "0 marks a missing point",
    )
    image: PictureInput | None = Field(None, description="a skeleton on black, as OpenPose draws it")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.keypoints is None) == (self.image is None):
            raise ValueError("a pose must have either keypoints or an image, and not both")
        return self


class Layer(Wire):
    """One layer to paint. Fields that are left out take the service's defaults for that layer.

    A scene's background without width and height is painted in the shape of the frame that it will fill. With
    `merge.mode` paste, it is painted in the layer's default size.
    """

    model_config = ConfigDict(json_schema_extra=_describe_aliases)

    prompt: Prompt
    negative_prompt: Words | None = None
    num_inference_steps: int | None = Field(
        None, validation_alias=AliasChoices("num_inference_steps", "steps")
    )
    guidance_scale: float | None = Field(None, validation_alias=AliasChoices("guidance_scale", "cfg_scale"))
    seed: Seed | None = None
    width: int | None = None
    height: int | None = None
    enhance_prompt: bool = Field(True, description="false passes the prompt to the model unchanged")
    model: str | None = Field(
        None,
        max_length=200,
        description="the id in `/v1/models` of the model that paints it; by default the layer's first model",
    )
    image: PictureInput | None = Field(
        None,
        description="the picture to start from; without width and height the layer has that picture's size, "
        "or the nearest that the model can paint; otherwise the picture is scaled to cover the given size "
        "and cropped around its middle",
    )
    strength: float | None = Field(
        None, gt=0, le=1, description="how much to change the image; by default 0.6, or 1 with a mask"
    )
    mask: PictureInput | None = Field(
        None,
        description="must be as large as the image: white areas are painted again, and everything else is "
        "returned as it was sent",
    )
    references: list[PictureInput] | None = Field(
        None,
        max_length=MAX_REFERENCES,
        description="pictures that it should resemble; needs a model with `references` among its tasks",
    )
    reference_scale: Scale | None = Field(
        None, description="how closely to follow them, by default 0.6; needs a model with an IP-Adapter"
    )
    pose: Pose | None = Field(
        None, description="the pose of the figure; needs a model with `pose` among its tasks"
    )
    pose_scale: Scale | None = Field(None, description="how closely to follow the pose; by default 1")
    loras: list[LoraInput] | None = Field(
        None, max_length=MAX_LORAS, description="applied to this picture only; the effects of several add up"
    )
    speed: Speed | None = Field(None, description="accuracy to give up for faster painting")
    cast: CastName | None = Field(
        None,
        description="a member of the cast: its description is put before the prompt, and its seed, negative "
        "prompt, references and LoRAs are used if the layer sets none",
    )
    _use: CastUse | None = PrivateAttr(None)

    @property
    def use(self) -> CastUse | None:
        """Return the member of the cast that it paints; None if there is none, or it is not resolved yet."""
        return self._use

    def named_pictures(self, prefix: str = "") -> Iterator[tuple[str, PictureInput]]:
        """Yield the pictures that it names, each preceded by its parameter's path.

        The reference of a cast member, which figures are compared with, comes before the layer's references,
        which may include it.
        """
        for name in PICTURES:
            picture: PictureInput | None = getattr(self, name)
            if picture is not None:
                yield prefix + name, picture
        if self.use is not None and self.use.reference is not None:
            yield f"{prefix}cast", self.use.reference
        for index, reference in enumerate(self.references or ()):
            yield f"{prefix}references.{index}", reference
        if self.pose is not None and self.pose.image is not None:
            yield f"{prefix}pose.image", self.pose.image

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, value: Any) -> Any:
        for name, alias in ALIASES.items():
            if isinstance(value, dict) and None not in (value.get(name), value.get(alias)):
                raise ValueError(f"{alias} is another name for {name}: give only one of them")
        return value


def from_words(value: Any) -> Any:
    return {"prompt": value} if isinstance(value, str) else value


LayerOrWords = Annotated[
    Layer,
    BeforeValidator(from_words, json_schema_input_type=Prompt | Layer),
]


class LayerRequest(Layer):
    """A request for a single layer."""

    output: Output = Output()
    fallback: Fallback = "reduce"
    deadline_s: Deadline = 120.0


class CharacterRequest(LayerRequest):
    cutout: bool = Field(False, description="true returns the figure alone, cut out, as an RGBA PNG or WebP")


class StreamQuery(BaseModel):
    """Query parameters of a route that streams."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    previews: int = Field(3, ge=0, le=20, description="how many small JPEGs a stream sends of each layer")
