"""The wire format of the cast: its members as they are sent, and as they are kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from deployments.messages import MAX_LORAS

from .layer_schema import LoraInput, PictureInput
from .wire import CastName, Seed, Wire, Words

MAX_REFERENCES = 4


class CastBody(Wire):
    """A member of the cast, without its name: the inputs for every layer that names it."""

    description: Words = Field("", description="put before the prompt of each layer that names the member")
    references: list[PictureInput] = Field(
        [],
        max_length=MAX_REFERENCES,
        description="pictures of the member, kept for as long as it is; figures are compared with the first",
    )
    loras: list[LoraInput] = Field(
        [], max_length=MAX_LORAS, description="used for layers that set no LoRAs, whose model must have these"
    )
    seed: Seed | None = Field(None, description="used for layers that set no seed")
    negative_prompt: Words | None = Field(None, description="used for layers that set none")


class CastRequest(CastBody):
    """A new member of the cast."""

    name: CastName


class CastChange(CastBody):
    """A cast member's new definition, which replaces the old one: fields that are left out are cleared."""

    name: CastName | None = Field(None, description="must be the name in the path: members cannot be renamed")
    version: int | None = Field(
        None,
        ge=1,
        description="the version to replace; the response is 412 if the member has another one by now",
    )


class CastReference(Wire):
    id: str = Field(description="the picture's id in `/v1/pictures`")


class CastAnswer(Wire):
    """A member of the cast as it is kept."""

    name: str
    version: int = Field(description="starts at 1 and goes up by one with each change")
    description: str
    references: list[CastReference]
    loras: list[LoraInput]
    seed: int | None
    negative_prompt: str | None
    created: int = Field(description="seconds since 1970")
    updated: int


class CastList(Wire):
    data: list[CastAnswer]
    next: str | None = Field(description="the `after` of the next page, or null on the last page")


class CastListQuery(BaseModel):
    """Query parameters of GET /v1/cast."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(20, ge=1, le=100)
    after: CastName | None = Field(None, description="`next` of the previous page")
