"""An edge replica's copy of the tokens, and what each may still spend."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import NotReady

from ..http.error_responses import Refusal
from ..telemetry.logs import logger
from .browser_tokens import Token, TokenStore, read_token
from .key_cache import KeyCache
from .keys import Key

MOST_KNOWN = 10_000
MOST_LOOKED_UP = 32
"""The most tokens that are looked up at once. Others are refused with a Retry-After."""
UNKNOWN = "this token is not known here"
ENDED = "this token has expired"
RETRY_S = 1.0
Result = TypeVar("Result")
FAULTS = (SQLAlchemyError, OSError, ValueError)


@dataclass(frozen=True)
class TokenBudget:
    """The budget of one token, shared by all edge replicas. What it spends also counts for the tenant."""

    token: Token
    store: TokenStore
    seconds_left: float

    async def count_request(self) -> None:
        """Use one request. Raises Refusal 429 if none is left."""
        if self.token.limited and not await _in_thread(lambda: self.store.count_request(self.token.id)):
            raise self.spent("requests")

    async def spend(self, amount: float) -> None:
        """Spend `amount` megapixel-steps. Raises Refusal 429 if fewer are left."""
        if self.token.limited and not await _in_thread(lambda: self.store.spend(self.token.id, amount)):
            raise self.spent("megapixel-steps", amount)

    async def give_back(self, amount: float) -> None:
        """Return what was spent on work that produced nothing."""
        if self.token.limited:
            await _in_thread(lambda: self.store.give_back(self.token.id, amount))

    def spent(self, unit: str, amount: float | None = None) -> Refusal:
        """Return the refusal of a request over the budget. Waiting does not help, but another token does."""
        takes = "" if amount is None else f": this request needs {amount:.1f}"
        message = (
            f"this token's budget does not have enough {unit} left{takes}; mint another token with its key"
        )
        return Refusal(429, "rate_limited", message, retry_after_s=max(1.0, self.seconds_left))


class TokenCache:
    """Find tokens in the keys' database. Their keys decide whether they may still be used.

    Only an unexpired token with this service's signature is looked up, and a stranger cannot make one.
    """

    def __init__(self, keys: KeyCache) -> None:
        self._keys = keys
        self._known: OrderedDict[str, Token] = OrderedDict()
        self._store: TokenStore | None = None
        self._opening = asyncio.Lock()
        self._looking = 0

    async def find(self, text: str) -> tuple[Key, TokenBudget]:
        """Return the key that the token stands for, with only the token's scopes, and the token's budget.

        Raises Refusal 401, also if the key has ended, and NotReady.
        """
        offered = read_token(text)
        if offered is None:
            raise Refusal(401, "unauthenticated", UNKNOWN)
        await self._keys.refresh()
        if not offered.is_signed(await self._verifying()):
            raise Refusal(401, "unauthenticated", UNKNOWN)
        if offered.ends <= self._keys.now():
            self._known.pop(offered.id, None)
            raise Refusal(401, "unauthenticated", ENDED)
        token = self._known.get(offered.id) or await self._look_up(offered.id)
        if token is None or not token.is_of(text):
            raise Refusal(401, "unauthenticated", UNKNOWN)
        key = await self._keys.find_minting(token.key_id)
        left_s = token.expires_at - self._keys.now()
        if left_s <= 0:
            raise Refusal(401, "unauthenticated", ENDED)
        scopes = tuple(scope for scope in token.scopes if key.may(scope))
        return replace(key, scopes=scopes), TokenBudget(token, self._opened(), left_s)

    async def _verifying(self) -> list[bytes]:
        """Return the secrets that verify tokens, read again every few seconds."""
        if self._store is None or not self._store.secrets.is_fresh():
            async with self._opening:  # One of those waiting reads them for all.
                return await _in_thread(lambda: self._opened().secrets.verifying())
        return self._store.secrets.verifying()

    async def _look_up(self, token_id: str) -> Token | None:
        if self._looking >= MOST_LOOKED_UP:
            raise NotReady("too many new tokens are being looked up here", retry_after_s=RETRY_S)
        self._looking += 1
        try:
            token = await _in_thread(lambda: self._opened().find(token_id))
        finally:
            self._looking -= 1
        if token is not None:
            self._known[token_id] = token
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return token

    def _opened(self) -> TokenStore:
        if self._store is None:
            self._store = TokenStore(self._keys.store().engine)
        return self._store


async def _in_thread(work: Callable[[], Result]) -> Result:
    try:
        return await asyncio.to_thread(work)
    except FAULTS as error:
        logger.warning("the tokens cannot be read: %s", type(error).__name__)
        raise NotReady("the tokens cannot be read at present", retry_after_s=5) from None
