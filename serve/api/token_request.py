"""The wire format of tokens for browsers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .wire import Wire

LEAST_S, USUAL_S, MOST_S = 1.0, 600.0, 3_600.0
MANY = 1_000_000
TokenScope = Literal["generate", "jobs"]
Requests = Annotated[
    int,
    Field(
        ge=1,
        le=MANY,
        description="how many requests may paint, upload or change something; GET and HEAD are not counted",
    ),
]
MegapixelSteps = Annotated[
    float,
    Field(gt=0, le=MANY, allow_inf_nan=False, description="counted as in docs/security.md"),
]


class Budget(Wire):
    """A token's budget, which counts against its tenant's limits too. Omitted fields set no bound."""

    requests: Requests | None = None
    megapixel_steps: MegapixelSteps | None = None


class TokenRequest(Wire):
    """A token for a page in a browser. It ends by itself, and at once when its key is revoked."""

    ttl_s: float = Field(USUAL_S, ge=LEAST_S, le=MOST_S, description="seconds until the token expires")
    scopes: list[TokenScope] = Field(
        ["generate"], min_length=1, max_length=2, description="some of the key's own scopes; never `admin`"
    )
    budget: Budget = Budget()


class TokenResponse(Wire):
    id: str
    token: str = Field(description="shown only once; send it as `Authorization: Bearer`, never in a URL")
    expires_at: int = Field(description="seconds since 1970")
    scopes: list[TokenScope]
    budget: Budget
