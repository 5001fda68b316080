"""The wire format of a tenant's usage."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from .wire import LookedUp, Wire

LONGEST_DAYS = 366
MAX_ROWS = 1_000


def _day(value: Any) -> Any:
    """Refuse what pydantic would take for a day besides its ISO form, such as a number of seconds."""
    if isinstance(value, str) and not (len(value) == 10 and value[4] == value[7] == "-"):
        raise ValueError("must be a day written as YYYY-MM-DD")
    return value


Day = Annotated[date, BeforeValidator(_day)]


class UsageQuery(Wire):
    model_config = ConfigDict(strict=False)

    since: Day | None = Field(
        None, description="the first day, in UTC; by default the first of `until`'s month"
    )
    until: Day | None = Field(None, description="the last day; by default today")
    key: LookedUp | None = Field(None, max_length=64, description="the id of one of the tenant's keys")
    tenant: LookedUp | None = Field(None, max_length=64, description="another tenant, for an admin only")
    limit: int = Field(MAX_ROWS, ge=1, le=MAX_ROWS)
    after: LookedUp | None = Field(None, max_length=80, description="`next` of the previous page")


class UsedBody(Wire):
    pictures: int = Field(
        description="pictures that were sent or kept, including those that had been painted before"
    )
    device_s: float
    megapixel_steps: float
    cost: float | None = Field(None, description="present if `price_per_device_hour` is configured")


class UsageDay(UsedBody):
    day: date
    key: str = Field(description="the key's id; empty if none was required")


class UsageAnswer(Wire):
    """A tenant's usage, the newest day first; `total` covers the whole period, not only this page."""

    since: date
    until: date
    data: list[UsageDay]
    total: UsedBody
    next: str | None = Field(None, description="the `after` of the next page; absent on the last page")
