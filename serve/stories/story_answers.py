"""The wire format of stories: the responses."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ..api.wire import Wire
from ..jobs.job_schema import JobAccepted, SceneError, Status, WebhookState
from .texts import LANGUAGE


class StoryAccepted(JobAccepted):
    """A story that has been stored; `total` counts its pages."""


class StorySummary(StoryAccepted):
    title: str | dict[str, str]
    created: int = Field(description="seconds since 1970")
    done: int = Field(description="pages that are painted")
    failed: int
    held: bool = Field(False, description="its key has ended: what waits is not painted until it is released")
    tenant: str | None = Field(None, description="its tenant, shown to an admin alone")


class PageState(Wire):
    """A page: its text, and the state of its picture."""

    index: int
    status: Status
    text: str | dict[str, str]
    error: SceneError | None = None
    picture: str | None = Field(None, description="its address, once it is painted")
    consistency: dict[str, float] | None = Field(
        None, description="how like itself each member of the cast is, 0 to 1, by its name"
    )
    degraded: list[str] | None = Field(None, description="what is not as requested; only where something is")
    repaints: int | None = Field(
        None, description="how often the kept picture was found damaged and painted again; only where it was"
    )
    changed: bool | None = Field(
        None, description="true where it was painted again and is not the same as at first"
    )


class StoryBooks(Wire):
    """Addresses of a story's books, which are made when fetched; `?language=` chooses a language."""

    pdf: str
    epub: str
    zip: str


class StoryResponse(StorySummary):
    """A story: `failed` once all pages have ended and any of them failed; a page can be repainted alone."""

    seed: int
    language: str = Field(description="of the texts that are no map of languages")
    languages: list[str] = Field(description="in which every page has a text")
    cast: dict[str, int] = Field(description="who is in it, and in which version; 0: as the story says")
    order: list[int] = Field(description="indices of the pages that its books have, in their order")
    ahead: int = Field(description="scenes of your earlier jobs and stories that have not ended")
    webhook: WebhookState | None = None
    pages: list[PageState]


class StoryList(Wire):
    data: list[StorySummary]
    next: str | None = Field(description="the `after` of the next page, or null on the last")


class LanguageQuery(BaseModel):
    """Query parameters of a book."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str | None = Field(None, pattern=LANGUAGE, description="one that every page has a text in")
