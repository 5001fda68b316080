"""The wire format of what a tenant has used."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from .wire import LookedUp, Wire

LONGEST_DAYS = 366
MAX_ROWS = 1_000


def _day(value: Any) -> Any:
    """Refuse what pydantic would take for a day beside its ISO form, such as a number of seconds."""
    if isinstance(value, str) and not (len(value) == 10 and value[4] == value[7] == "-"):
        raise ValueError("a day is written YYYY-MM-DD")
    return value


Day = Annotated[date, BeforeValidator(_day)]


class UsageQuery(Wire):
    model_config = ConfigDict(strict=False)

    since: Day | None = Field(None, description="the first day, in UTC; else the first of this month")
    until: Day | None = Field(None, description="the last day; else today")
    key: LookedUp | None = Field(None, max_length=64, description="the id of one of the tenant's keys")
    tenant: LookedUp | None = Field(None, max_length=64, description="another tenant's, for an admin")
    limit: int = Field(MAX_ROWS, ge=1, le=MAX_ROWS)
    after: LookedUp | None = Field(None, max_length=80, description="`next` of the page before")


class UsedBody(Wire):
    pictures: int = Field(description="that were answered or kept; one that was painted before counts too")
    device_s: float
    megapixel_steps: float
    cost: float | None = Field(None, description="where `price_per_device_hour` is configured")


class UsageDay(UsedBody):
    day: date
    key: str = Field(description="the key's id; empty where none was required")


class UsageAnswer(Wire):
    """Usage of a tenant, the newest day first; `total` is of the whole time, not of this page."""

    since: date
    until: date
    data: list[UsageDay]
    total: UsedBody
    next: str | None = Field(None, description="the `after` of the next page, where there is one")
