"""The wire format of stories: the requests for a book, and for one of its pages."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from deployments.messages import MAX_FIGURES, MAX_LORAS, Fallback

from ..api.cast_request import CastBody
from ..api.layer_schema import LayerOrWords, LoraInput, Output
from ..api.scene_schema import FigureOrWords, Merge
from ..api.wire import CastName, Deadline, Prompt, Seed, Wire, Words
from ..jobs.job_schema import Webhook
from .texts import Language, Line, Text

MAX_PAGES = 100
MAX_CAST = 32
MAX_TITLE_CHARS = 300
_NOT_BLANK = TypeAdapter[str](Prompt)


def _title(title: str | dict[str, str]) -> str | dict[str, str]:
    for each in [title] if isinstance(title, str) else title.values():
        _NOT_BLANK.validate_python(each)
        if len(each) > MAX_TITLE_CHARS:
            raise ValueError(f"must have at most {MAX_TITLE_CHARS} characters")
    return title


_NAME, _BODY = TypeAdapter[str](CastName), TypeAdapter(CastBody)


def _member(value: Any, plain: ValidatorFunctionWrapHandler) -> str | CastBody:
    """Validate a stored member's name or a member. A plain union would add its members to an error's path."""
    if isinstance(value, dict | CastBody):
        return _BODY.validate_python(value)
    return _NAME.validate_python(value)


StoryMember = Annotated[CastName | CastBody, WrapValidator(_member)]


class Style(Wire):
    """Style of every picture: words behind each layer's own, what all of them avoid besides, and LoRAs."""

    prompt: Words | None = None
    negative_prompt: Words | None = None
    loras: list[LoraInput] | None = Field(
        None,
        max_length=MAX_LORAS,
        description="of every layer whose model has them, besides its own; with a layer's own scale",
    )


class Frame(Wire):
    """Size of the pages' pictures, where a page's own `merge` does not say; else the service's default."""

    width: int | None = None
    height: int | None = None


GIVEN: dict[str, Any] = {"not": {"type": "null"}}


def _describe_unplaced(schema: dict[str, Any]) -> None:
    """Describe that each figure has its own position, so `merge` must have none."""
    placed = {"type": "object", "required": ["position"], "properties": {"position": GIVEN}}
    schema["allOf"] = [{"properties": {"merge": {"not": placed}}}]


def _describe_any(schema: dict[str, Any]) -> None:
    """Describe that at least one field must be given."""
    schema["anyOf"] = [{"required": [name], "properties": {name: GIVEN}} for name in schema["properties"]]


class StoryPage(Wire):
    """A page: its text, and the picture above it."""

    model_config = ConfigDict(json_schema_extra=_describe_unplaced)

    text: Text = Field("", description="what is told, or a map of languages; empty where nothing is")
    characters: list[FigureOrWords] = Field(min_length=1, max_length=MAX_FIGURES)
    background: LayerOrWords
    merge: Merge = Merge()
    enhance: bool = Field(False, description="sharpen its picture, with a little more contrast and colour")
    alt: Text | None = Field(None, description="what the picture shows, for readers who cannot see it")
    seed: Seed | None = Field(
        None, description="of this page, in place of the story's and of its members'; a layer's own wins"
    )


class StoryRequest(Wire):
    """A story of 1 to 100 pages, painted in the background like the scenes of a job.

    The same description has the same seed on every page, and so looks the same.
    """

    title: Annotated[Text, AfterValidator(_title)] = Field(description="one, or a map of languages")
    author: Line | None = Field(None, max_length=MAX_TITLE_CHARS)
    language: Language = Field("en", description="of the texts that are no map of languages")
    cast: dict[CastName, StoryMember] = Field(
        {}, max_length=MAX_CAST, description="who is in it: a member, or the name of a stored one"
    )
    style: Style = Style()
    # Only the first fault is reported: collecting those of a hundred pages takes long.
    pages: list[StoryPage] = Field(min_length=1, max_length=MAX_PAGES, fail_fast=True)
    frame: Frame = Frame()
    seed: Seed | None = Field(None, description="of all layers without their own; drawn where not given")
    consistency_min: float = Field(
        0.6,
        ge=0,
        le=1,
        description="a page whose members of the cast look less like their references is painted again, "
        "up to three times; the best is kept, and a miss is in `degraded`",
    )
    layers: bool = Field(True, description="keep the layers too, which book.zip then holds")
    fallback: Fallback = "reduce"
    output: Output = Output()
    deadline_s: Deadline = Field(120.0, description="of each page, from when its painting begins")
    webhook: Webhook | None = None


class RepaintRequest(Wire):
    """Changes to a page that is painted again; each field that is given replaces the page's own."""

    model_config = ConfigDict(json_schema_extra=_describe_unplaced)

    text: Text | None = None
    characters: list[FigureOrWords] | None = Field(None, min_length=1, max_length=MAX_FIGURES)
    background: LayerOrWords | None = None
    merge: Merge | None = None
    enhance: bool | None = None
    alt: Text | None = None
    seed: Seed | None = Field(
        None,
        description="drawn where not given, so that the picture is another one, its members of the cast too; "
        "a layer's own `seed` wins",
    )


class StoryChange(Wire):
    """A new title page, or a new order of the pages in its books. Nothing is painted."""

    model_config = ConfigDict(json_schema_extra=_describe_any)

    title: Annotated[Text, AfterValidator(_title)] | None = None
    author: Line | None = Field(None, max_length=MAX_TITLE_CHARS)
    order: list[Annotated[int, Field(ge=0, lt=MAX_PAGES)]] | None = Field(
        None,
        min_length=1,
        max_length=MAX_PAGES,
        description="indices of the pages that its books have, in their order; a page that is left out keeps "
        "its index and its picture, and can come back",
        json_schema_extra={"uniqueItems": True},
    )

    @model_validator(mode="after")
    def _any(self) -> Self:
        if self.title is None and self.author is None and self.order is None:
            raise ValueError("give title, author or order")
        return self


class PageChange(Wire):
    """New texts for a page, whose picture stays."""

    model_config = ConfigDict(json_schema_extra=_describe_any)

    text: Text | None = None
    alt: Text | None = None

    @model_validator(mode="after")
    def _any(self) -> Self:
        if self.text is None and self.alt is None:
            raise ValueError("give text or alt")
        return self
