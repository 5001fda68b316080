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
    Field(ge=1, le=MANY, description="that paint, upload or change something: all but GET and HEAD"),
]
MegapixelSteps = Annotated[
    float,
    Field(gt=0, le=MANY, allow_inf_nan=False, description="as docs/security.md counts them"),
]


class Budget(Wire):
    """Budget of a token. It counts against its tenant's limits too. What is left out has no bound."""

    requests: Requests | None = None
    megapixel_steps: MegapixelSteps | None = None


class TokenRequest(Wire):
    """A token for a page in a browser. It ends by itself, and at once when its key is revoked."""

    ttl_s: float = Field(USUAL_S, ge=LEAST_S, le=MOST_S, description="seconds until it ends by itself")
    scopes: list[TokenScope] = Field(
        ["generate"], min_length=1, max_length=2, description="some of the key's own; never `admin`"
    )
    budget: Budget = Budget()


class TokenResponse(Wire):
    id: str
    token: str = Field(description="shown this once; send it as `Authorization: Bearer`, never in an address")
    expires_at: int = Field(description="seconds since 1970")
    scopes: list[TokenScope]
    budget: Budget
