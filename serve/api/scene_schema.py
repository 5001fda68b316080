"""Define the wire format of a scene: its layers, the frame, and how the figures are set into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from deployments.messages import MAX_DEPTH, MAX_FIGURES, Fallback, MergeMode, Position

from .layer_schema import Layer, LayerOrWords, Output, PictureInput, from_words
from .wire import Deadline, Prompt, Seed, Wire


class At(Wire):
    """A position, chosen by the caller, between the frame's edges."""

    x: float = Field(ge=0, le=1, description="the middle of the figure, as a fraction of the frame's width")


_POSITION = TypeAdapter[Position](Position)


def _position(value: Any, plain: ValidatorFunctionWrapHandler) -> Position | At:
    """Read a word or a position. A plain union would add its members' names to an error's path."""
    if isinstance(value, dict | At):
        return At.model_validate(value)
    return _POSITION.validate_python(value)


AnyPosition = Annotated[Position | At, WrapValidator(_position)]


class Merge(Wire):
    """The frame, and how the character is set into it. The first four fields default to the service's own."""

    mode: MergeMode | None = Field(None, description="auto unless the service is configured otherwise")
    position: AnyPosition | None = Field(None, description="right unless the service is configured otherwise")
    width: int | None = Field(None, description="1024 unless the service is configured otherwise")
    height: int | None = Field(None, description="512 unless the service is configured otherwise")
    scale: float = Field(1.0, ge=0.1, le=4)
    harmonize: float = Field(0.55, ge=0, le=1)
    shadow: bool = True
    contrast: float | None = Field(None, ge=0, le=4, description="by default 1.1 for paste, otherwise 1.0")


Depth = Annotated[
    float,
    Field(
        ge=0,
        le=MAX_DEPTH,
        description="a figure with a greater depth stands behind; of equal ones the later figure is in front",
    ),
]


class Placing(Wire):
    """Placement of one of several figures."""

    position: AnyPosition | None = Field(
        None, description="by default beside the other figures, spread evenly"
    )
    scale: float = Field(1.0, ge=0.1, le=4, description="multiplied by the scale of `merge`")
    depth: Depth = 0.0


class Figure(Layer, Placing):
    """One of several characters: a layer, and where it stands."""


FigureOrWords = Annotated[
    Figure,
    BeforeValidator(from_words, json_schema_input_type=Prompt | Figure),
]


def _describe_either(schema: dict[str, Any]) -> None:
    """Describe that a scene has either one character, or several and no `merge.position`.

    pydantic's own schema has two independent optional fields.
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

    character: LayerOrWords | None = Field(None, description="give either this or `characters`")
    characters: list[FigureOrWords] | None = Field(
        None, min_length=1, max_length=MAX_FIGURES, description="several figures, arranged by depth"
    )
    background: LayerOrWords
    seed: Seed | None = Field(
        None,
        description="used for layers that set no seed; each further character adds one to it",
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
            error = ValueError("give either character or characters, and not both")
            raise _fault("value_error", "characters", value, error)
        return value


def _fault(kind: str, name: str, value: Any, error: ValueError | None = None) -> ValidationError:
    """Return an error for one field: what a validator of the whole model raises has no path."""
    line: InitErrorDetails = {"type": kind, "loc": (name,), "input": value}
    if error is not None:
        line["ctx"] = {"error": error}
    return ValidationError.from_exception_data("SceneRequest", [line])


class Layered(Protocol):
    """A scene's request, in our format or OpenAI's. A field that is no Layer there is a string or None."""

    @property
    def character(self) -> object: ...
    @property
    def characters(self) -> Sequence[Layer] | None: ...
    @property
    def background(self) -> object: ...


def layers_by_path(scene: Layered) -> dict[str, Layer]:
    """Return a scene's layers by their paths, such as `character` or `characters.0`."""
    layers: dict[str, object] = {"character": scene.character, "background": scene.background}
    layers |= {f"characters.{index}": figure for index, figure in enumerate(scene.characters or ())}
    return {path: layer for path, layer in layers.items() if isinstance(layer, Layer)}


def layers_in(requested: Layer | Layered) -> list[Layer]:
    """Return a scene's layers, or a single layer in a list."""
    return [requested] if isinstance(requested, Layer) else list(layers_by_path(requested).values())


def names_cast(requested: Layer | Layered) -> bool:
    """Return whether any layer shows a member of the cast."""
    return any(layer.cast is not None for layer in layers_in(requested))


def pictures_in(scene: Layered, prefix: str = "") -> list[tuple[str, PictureInput]]:
    """Return the pictures that a scene names, each preceded by its parameter's path."""
    return [
        named
        for path, layer in layers_by_path(scene).items()
        for named in layer.named_pictures(f"{prefix}{path}.")
    ]
