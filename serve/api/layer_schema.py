"""Define the wire format of one layer to paint, and of what it is painted from."""

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
            described[alias] = deepcopy(field) | {"title": alias, "description": f"another name of {name}"}
    schema["properties"] = described
    given = {"not": {"type": "null"}}
    schema["allOf"] = [
        {"not": {"required": [name, alias], "properties": {name: given, alias: given}}}
        for name, alias in ALIASES.items()
    ]


class Output(Wire):
    """Encoding of the response's pictures."""

    format: PictureFormat | None = Field(None, description="wins over an Accept header that names a format")
    quality: int | None = Field(
        None, ge=1, le=100, description="JPEG and WebP; 95 unless the service says else"
    )
    upscale: float = Field(
        1.0,
        ge=1,
        le=64,
        description="for print: the picture so many times as large, by Lanczos resampling, up to "
        "`limits.max_upscaled_size` a side; its layers stay as they are",
    )
    sent_as: Literal["b64_json", "url"] | None = Field(
        None,
        alias="as",
        description="url: the answer is JSON with a signed link to each picture, which is kept for a while",
    )


class PictureInput(Wire):
    """A picture to paint from: an uploaded one by its id, or its file inside of the request.

    One of the two. Nothing is ever fetched from an address.
    """

    id: str | None = Field(None, max_length=100, description="of POST /v1/pictures")
    b64_json: str | None = Field(None, description="a PNG, JPEG or WebP file in base64")

    @model_validator(mode="before")
    @classmethod
    def _no_address(cls, value: Any) -> Any:
        if isinstance(value, dict) and "url" in value:
            raise ValueError("no address is ever fetched: upload the picture, or send it as b64_json")
        return value

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.id is None) == (self.b64_json is None):
            raise ValueError("a picture is either an id or b64_json")
        return self


class LoraInput(Wire):
    """One of the model's LoRAs, by its name in `/v1/models`."""

    name: str = Field(min_length=1, max_length=200)
    scale: float = Field(
        1.0,
        ge=-MAX_LORA_SCALE,
        le=MAX_LORA_SCALE,
        description="how strongly it is applied: with 0 not at all, below 0 the other way",
    )


@dataclass(frozen=True, kw_only=True)
class CastUse:
    """Name the member of the cast that a layer paints, once that is resolved.

    `version`: 0 for one that is defined where it is used. `reference`: the picture that figures are compared
    with. `starts`: whether the layer starts from it.
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
    """The pose of a figure: its keypoints, or the control picture that a ControlNet reads.

    One of the two.
    """

    keypoints: list[Point] | None = Field(
        None,
        min_length=KEYPOINTS,
        max_length=KEYPOINTS,
        description="x, y and a confidence of each, in OpenPose's order of 18: nose, neck, right shoulder, "
        "elbow and wrist, the left ones, right hip, knee and ankle, the left ones, right and left eye, right "
        "and left ear; x and y are fractions of the layer's width and height, and a confidence of 0 is a "
        "point that is not there",
    )
    image: PictureInput | None = Field(None, description="a skeleton as OpenPose draws it, on black")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.keypoints is None) == (self.image is None):
            raise ValueError("a pose is either keypoints or an image")
        return self


class Layer(Wire):
    """One layer to paint. What is left out comes from the service's defaults for that layer.

    A scene's background that is given neither width nor height is painted in the shape of the frame that it
    will fill; with merge.mode paste, in the layer's default size.
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
    enhance_prompt: bool = Field(True, description="false sends the words untouched")
    model: str | None = Field(
        None,
        max_length=200,
        description="which of the layer's models paints it, by its id in `/v1/models`; else its first",
    )
    image: PictureInput | None = Field(
        None,
        description="what it starts from; without width and height it is painted in the picture's own size, "
        "as near as the model can, else the picture is scaled to cover the size and cropped about its middle",
    )
    strength: float | None = Field(
        None, gt=0, le=1, description="how far it goes from the image: 0.6, and 1 with a mask"
    )
    mask: PictureInput | None = Field(
        None, description="as large as the image: white is painted anew, all else comes back as it was sent"
    )
    references: list[PictureInput] | None = Field(
        None,
        max_length=MAX_REFERENCES,
        description="pictures that it shall resemble: for a model that has `references` among its tasks",
    )
    reference_scale: Scale | None = Field(
        None, description="how much it resembles them: 0.6 unless given; for a model with an IP-Adapter"
    )
    pose: Pose | None = Field(
        None, description="the pose of its figure: for a model that has `pose` among its tasks"
    )
    pose_scale: Scale | None = Field(None, description="how closely it follows the pose: 1 unless given")
    loras: list[LoraInput] | None = Field(
        None, max_length=MAX_LORAS, description="they change this picture alone; several add up"
    )
    speed: Speed | None = Field(None, description="what it may give up to be painted faster")
    cast: CastName | None = Field(
        None,
        description="a member of the cast: the description before the prompt, and the seed, negative prompt, "
        "references and LoRAs where the layer has none of its own",
    )
    _use: CastUse | None = PrivateAttr(None)

    @property
    def use(self) -> CastUse | None:
        """Return who of the cast it paints; None where nobody, or where that is not resolved yet."""
        return self._use

    def named_pictures(self, prefix: str = "") -> Iterator[tuple[str, PictureInput]]:
        """Yield the pictures that it names, each after its parameter's path.

        That of a member of the cast, with which figures are compared, comes last: it may be among the others.
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
                raise ValueError(f"{alias} is another name of {name}: give one of them")
        return value


def from_words(value: Any) -> Any:
    return {"prompt": value} if isinstance(value, str) else value


LayerOrWords = Annotated[
    Layer,
    BeforeValidator(from_words, json_schema_input_type=Prompt | Layer),
]


class LayerRequest(Layer):
    """One layer alone."""

    output: Output = Output()
    fallback: Fallback = "reduce"
    deadline_s: Deadline = 120.0


class CharacterRequest(LayerRequest):
    cutout: bool = Field(False, description="an RGBA PNG of the figure alone")


class StreamQuery(BaseModel):
    """Query parameters of a route that streams."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    previews: int = Field(3, ge=0, le=20, description="small JPEGs of each layer on its way, in a stream")
