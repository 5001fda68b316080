"""The wire format of the cast: its members as they are sent, and as they are kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from deployments.messages import MAX_LORAS

from .layer_schema import LoraInput, PictureInput
from .wire import CastName, Seed, Wire, Words

MAX_REFERENCES = 4


class CastBody(Wire):
    """A member of the cast, without its name: what every layer that names it is painted with."""

    description: Words = Field("", description="stands before the words of each layer")
    references: list[PictureInput] = Field(
        [],
        max_length=MAX_REFERENCES,
        description="pictures of it, kept as long as it is; figures are compared with the first",
    )
    loras: list[LoraInput] = Field(
        [], max_length=MAX_LORAS, description="for layers without their own, whose model has them"
    )
    seed: Seed | None = Field(None, description="for layers without their own")
    negative_prompt: Words | None = Field(None, description="for layers without their own")


class CastRequest(CastBody):
    """A new member of the cast."""

    name: CastName


class CastChange(CastBody):
    """All that a member of the cast is from now on: what is left out, it no longer has."""

    name: CastName | None = Field(None, description="as in the path: members are not renamed")
    version: int | None = Field(
        None, ge=1, description="refused with 412 where the member has another version by now"
    )


class CastReference(Wire):
    id: str = Field(description="of `/v1/pictures`")


class CastAnswer(Wire):
    """A member of the cast as it is kept."""

    name: str
    version: int = Field(description="1, and one more with each change")
    description: str
    references: list[CastReference]
    loras: list[LoraInput]
    seed: int | None
    negative_prompt: str | None
    created: int = Field(description="seconds since 1970")
    updated: int


class CastList(Wire):
    data: list[CastAnswer]
    next: str | None = Field(description="the `after` of the next page, or null on the last")


class CastListQuery(BaseModel):
    """Query parameters of GET /v1/cast."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(20, ge=1, le=100)
    after: CastName | None = Field(None, description="`next` of the page before")
