"""The wire format: strict pydantic models, unknown fields refused. Field docs become the OpenAPI page.

What a service sets a limit to in its Limits has no bound here: serve/api/resolve.py checks it, so that a
limit is stated once, and serve/openapi/described_api.py publishes it.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails

from deployments.messages import (
    MAX_DEPTH,
    MAX_FIGURES,
    MAX_LORA_SCALE,
    MAX_LORAS,
    MAX_REFERENCES,
    Fallback,
    MergeMode,
    PictureFormat,
    Position,
)

NOT_BLANK = r"[^\s\u0085\u001c-\u001f\ufeff]"
"""A letter that is white space neither to Python nor to ECMAScript, in which JSON Schema reads it."""


def _not_blank(words: str) -> str:
    if not re.search(NOT_BLANK, words):
        raise ValueError("must not be blank")
    return words


Words = str
Prompt = Annotated[Words, AfterValidator(_not_blank), Field(json_schema_extra={"pattern": NOT_BLANK})]
Seed = Annotated[int, Field(ge=0, le=2**53 - 1, description="any seed a JavaScript number can hold")]
Deadline = float
LookedUp = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""A name that a database query is given: PostgreSQL's texts hold no NUL."""
ALIASES = {"num_inference_steps": "steps", "guidance_scale": "cfg_scale"}
"""Fields that have another name too."""


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


OUTSIDE = ("title", "description", "default")
"""The keys that describe a field as a whole, beside its alternatives."""


def _nullable(field: dict[str, Any]) -> dict[str, Any]:
    """Add null to what a field's JSON schema allows."""
    if any(option.get("type") == "null" for option in field.get("anyOf", ())):
        return field
    whole = {key: field[key] for key in OUTSIDE if key in field}
    inner = {key: value for key, value in field.items() if key not in OUTSIDE}
    return {"anyOf": [*inner.pop("anyOf", ()), *([inner] if inner else ()), {"type": "null"}], **whole}


class Wire(BaseModel):
    """The base of every shape on the wire. In a request, an optional field that is null is left out."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _leave_null_out(cls, value: Any) -> Any:
        if not isinstance(value, dict) or None not in value.values():
            return value
        optional = cls._optional_names()
        return {name: item for name, item in value.items() if item is not None or name not in optional}

    @classmethod
    def _optional_names(cls) -> set[str]:
        """Return the names, aliases too, of the fields that a request may leave out."""
        names = {field.alias or name for name, field in cls.model_fields.items() if not field.is_required()}
        return names | {ALIASES[name] for name in names & ALIASES.keys()}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe each field that may be left out as one that may be null too, in requests alone."""
        schema = handler(core)
        if handler.mode == "validation":
            shape = handler.resolve_ref_schema(schema)
            optional = cls._optional_names()
            for name, field in shape.get("properties", {}).items():
                if name in optional:
                    shape["properties"][name] = _nullable(field)
        return schema


class Output(Wire):
    """Encoding of the response's pictures."""

    format: PictureFormat | None = Field(None, description="wins over an Accept header that names a format")
    quality: int | None = Field(
        None, ge=1, le=100, description="JPEG and WebP; 95 unless the service says else"
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


CAST_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


def _a_cast_name(name: str) -> str:
    if not re.fullmatch(CAST_NAME, name):
        raise ValueError("must be 1 to 64 letters (A to Z), digits, `_`, `.` or `-`, the first no sign")
    return name


CastName = Annotated[
    str, AfterValidator(_a_cast_name), Field(json_schema_extra={"pattern": f"^{CAST_NAME}$"})
]
"""It is a part of paths, and of headers, which are ASCII."""


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

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, value: Any) -> Any:
        for name, alias in ALIASES.items():
            if isinstance(value, dict) and None not in (value.get(name), value.get(alias)):
                raise ValueError(f"{alias} is another name of {name}: give one of them")
        return value


def _from_words(value: Any) -> Any:
    return {"prompt": value} if isinstance(value, str) else value


LayerOrWords = Annotated[
    Layer,
    BeforeValidator(_from_words, json_schema_input_type=Prompt | Layer),
]


class At(Wire):
    """A place of the caller's own between the frame's edges."""

    x: float = Field(ge=0, le=1, description="of the frame's width: there the figure's middle stands")


_POSITION = TypeAdapter[Position](Position)


def _position(value: Any, plain: ValidatorFunctionWrapHandler) -> Position | At:
    """Read a word or a place. A plain union would name each of its parts in a fault's path."""
    if isinstance(value, dict | At):
        return At.model_validate(value)
    return _POSITION.validate_python(value)


AnyPosition = Annotated[Position | At, WrapValidator(_position)]


class Merge(Wire):
    """The frame, and how the character is set into it; the first four have defaults of the service."""

    mode: MergeMode | None = Field(None, description="auto unless the service says else")
    position: AnyPosition | None = Field(None, description="right unless the service says else")
    width: int | None = Field(None, description="1024 unless the service says else")
    height: int | None = Field(None, description="512 unless the service says else")
    scale: float = Field(1.0, ge=0.1, le=4)
    harmonize: float = Field(0.55, ge=0, le=1)
    shadow: bool = True
    contrast: float | None = Field(None, ge=0, le=4, description="1.1 for paste, else 1.0")


Depth = Annotated[
    float,
    Field(ge=0, le=MAX_DEPTH, description="who has more stands behind; of equal ones the later is in front"),
]


class Placing(Wire):
    """Placement of one of several figures."""

    position: AnyPosition | None = Field(None, description="beside the others, spread evenly, unless given")
    scale: float = Field(1.0, ge=0.1, le=4, description="besides that of `merge`")
    depth: Depth = 0.0


class Figure(Layer, Placing):
    """One of several characters: a layer, and where it stands."""


FigureOrWords = Annotated[
    Figure,
    BeforeValidator(_from_words, json_schema_input_type=Prompt | Figure),
]


def _describe_either(schema: dict[str, Any]) -> None:
    """Describe that a scene has a character, or several that have a position each.

    pydantic's schema knows two fields.
    """
    given, absent = {"not": {"type": "null"}}, {"type": "null"}
    unplaced = {"not": {"type": "object", "required": ["position"], "properties": {"position": given}}}
    schema["oneOf"] = [
        {"required": ["character"], "properties": {"character": given, "characters": absent}},
        {
            "required": ["characters"],
            "properties": {"characters": given, "character": absent, "merge": unplaced},
        },
    ]


class SceneRequest(Wire):
    """One to four characters and a place, painted in parallel and merged."""

    model_config = ConfigDict(json_schema_extra=_describe_either)

    character: LayerOrWords | None = Field(None, description="this or `characters`")
    characters: list[FigureOrWords] | None = Field(
        None, min_length=1, max_length=MAX_FIGURES, description="several figures, set in by depth"
    )
    background: LayerOrWords
    seed: Seed | None = Field(
        None,
        description="for layers without their own; counts up over several characters",
    )
    merge: Merge = Merge()
    enhance: bool = False
    attribution: bool = False
    layers: bool = False
    fallback: Fallback = "reduce"
    output: Output = Output()
    deadline_s: Deadline = 120.0

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        one, several = (value.get(name) is not None for name in ("character", "characters"))
        if not one and not several:
            raise _fault("missing", "character", value)
        if one and several:
            raise _fault("value_error", "characters", value, ValueError("give character or characters"))
        return value


def _fault(kind: str, name: str, value: Any, error: ValueError | None = None) -> ValidationError:
    """Return a fault of one field: what a validator of the whole raises has no path."""
    line: InitErrorDetails = {"type": kind, "loc": (name,), "input": value}
    if error is not None:
        line["ctx"] = {"error": error}
    return ValidationError.from_exception_data("SceneRequest", [line])


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


class PictureBody(Wire):
    format: PictureFormat
    width: int
    height: int
    b64_json: str | None = Field(None, description="the file, unless the request's `output.as` is url")
    url: str | None = Field(None, description="a signed link to the file, which needs no key")
    expires_at: int | None = Field(None, description="when the link ends, in seconds since 1970")


class Seeds(Wire):
    character: int
    background: int


class GroupSeeds(Wire):
    """Those of several characters, in their order."""

    characters: list[int]
    background: int


class Models(Wire):
    character: str
    background: str


class GroupModels(Wire):
    """Those of several characters, in their order."""

    characters: list[str]
    background: str


class FigureBody(Wire):
    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int] = Field(description="x, y, width, height of the figure in the frame")


class MergeBody(Wire):
    """Merge of several characters: `paste` where one was, the least confidence, and the box around all."""

    mode: Literal["cutout", "paste"]
    confidence: float
    box: tuple[int, int, int, int] = Field(description="x, y, width, height of the character in the frame")
    figures: list[FigureBody] | None = Field(None, description="one for each of several characters")


class LayersBody(Wire):
    """The clean layers, PNG: before light and shadow. `POST /v1/merges` makes the same picture of them."""

    character: PictureBody = Field(description="the figure as it was cut out, RGBA; all of it where pasted")
    background: PictureBody = Field(description="the place as it was painted")
    mask: PictureBody = Field(description="the figure's alpha")
    painted: PictureBody = Field(description="the figure as it was painted, before it was cut out")


class GroupLayersBody(Wire):
    """The clean layers of several characters: one of each list for each of them, in their order."""

    characters: list[PictureBody]
    background: PictureBody
    masks: list[PictureBody]
    painted: list[PictureBody]


class CastShown(Wire):
    """A member of the cast that a layer shows."""

    name: str
    version: int = Field(description="as it was when the request was admitted; 0 for one that is not kept")
    consistency: float | None = Field(
        None, description="of a figure: how like the first reference it is, 0 to 1; where there is one"
    )


class SceneCast(Wire):
    """The members of the cast that layers show; of several characters one each, null for nobody."""

    character: CastShown | None = None
    characters: list[CastShown | None] | None = None
    background: CastShown | None = None


class UsageBody(Wire):
    """Time and work that the answer took; zero for layers that were kept from an equal request."""

    device_s: float = Field(0.0, description="seconds of the device: its share of every forward it was in")
    megapixel_steps: float = Field(0.0, description="size times steps, of all attempts")


class SafetyBody(Wire):
    """Judgement of the picture."""

    score: float = Field(description="0 to 1, of the worst of the picture and what was given out of it")
    flagged: bool = Field(description="whether it is over this service's threshold")


class SceneResponse(Wire):
    id: str
    created: int = Field(description="seconds since 1970")
    image: PictureBody
    seeds: Seeds | GroupSeeds
    merge: MergeBody
    layers: LayersBody | GroupLayersBody | None = Field(
        None, description="where the request has `layers` true"
    )
    degraded: list[str] = Field(
        description="what is not as requested, `layer: how`, with its path such as `characters.0`"
    )
    warnings: list[str] = []
    models: Models | GroupModels
    cast: SceneCast | None = Field(None, description="where a layer has `cast`")
    timings_ms: dict[str, float]
    usage: UsageBody
    safety: SafetyBody | None = Field(None, description="where pictures are judged")


class LayerResponse(Wire):
    id: str
    created: int
    image: PictureBody
    seed: int
    degraded: list[str]
    warnings: list[str] = []
    model: str
    cast: CastShown | None = Field(None, description="where the layer has `cast`")
    timings_ms: dict[str, float]
    usage: UsageBody
    safety: SafetyBody | None = Field(None, description="where pictures are judged")


class ErrorBody(Wire):
    type: str
    code: str
    message: str
    param: str | None
    request_id: str


class ErrorResponse(Wire):
    error: ErrorBody
