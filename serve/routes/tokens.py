"""POST /v1/tokens: a short-lived token for a page in a browser, minted by a key."""

from __future__ import annotations

import math
from functools import cached_property

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ..api.token_request import TokenRequest, TokenResponse
from ..auth.browser_tokens import TokenStore, TooManyTokens
from ..auth.middleware import key_of
from ..config.service_config import ServiceConfig
from ..http.body import accept
from ..http.error_responses import Refusal
from ..openapi.fragments import describe_body, responses_of
from ..pictures.in_thread import in_thread
from ..state.open_state import open_state


class _Tokens:
    """The token store, which opens the database at the first token."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config

    @cached_property
    def store(self) -> TokenStore:
        return TokenStore(open_state(self._config.state_folder, self._config.jobs))


def token_routes(config: ServiceConfig) -> APIRouter:
    router = APIRouter()
    tokens = _Tokens(config)

    @router.post(
        "/v1/tokens",
        status_code=201,
        response_model=TokenResponse,
        responses=responses_of("the token", headers=("Cache-Control",), status=201),
        openapi_extra=describe_body(TokenRequest),
    )
    async def mint_token(request: Request) -> Response:
        """Mint a short-lived token for a browser, with some of the key's scopes and its own budget.

        The page sends it as `Authorization: Bearer`. Revoking the key ends its tokens within a second.
        """
        requested = await accept(request, TokenRequest, config.limits)
        key = key_of(request)
        if key is None:
            raise Refusal(403, "forbidden", "this service requires no key, so no token is needed")
        scopes = tuple(dict.fromkeys(requested.scopes))
        if missing := [scope for scope in scopes if not key.may(scope)]:
            message = f"this key lacks the scope {missing[0]}, so its tokens cannot have it"
            raise Refusal(403, "forbidden", message, "scopes")
        budget, ttl_s = requested.budget, requested.ttl_s
        try:
            token, whole = await in_thread(
                lambda: tokens.store.mint(key, scopes, ttl_s, budget.megapixel_steps, budget.requests),
                "tokens",
            )
        except TooManyTokens as many:
            message = "this tenant already has the most tokens that it may have at once"
            raise Refusal(429, "rate_limited", message, retry_after_s=many.retry_after_s) from None
        response = TokenResponse(
            id=token.id,
            token=whole,
            expires_at=math.floor(token.expires_at),
            scopes=list(scopes),
            budget=budget,
        )
        headers = {"Cache-Control": "no-store"}
        return JSONResponse(response.model_dump(exclude_none=True), 201, headers)

    return router
