"""Short-lived tokens that let a page in a browser paint for a key: their form and their rows.

A token is `swt_ID_END_SECRET_SIGNATURE`. As with a key, only the SHA-256 of the whole is kept, so nobody can
use a token after reading the database. Each token is a row, because all edge replicas share one number for
the rest of its budget. The signature proves that the token was minted here, so invented and expired tokens
cost no database look-up.

Every method is one transaction. All of them raise SQLAlchemyError.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, and_, delete, func, insert, or_, select, update

from ..config.access import Scope
from ..state.database import now_of, reading
from ..state.shared_secrets import SharedSecrets
from ..state.storage_budget import lock_owner
from ..state.tenant_tables import tokens
from .keys import Key, digest

PREFIX = "swt_"
FORM = re.compile(rf"({PREFIX}([0-9a-f]{{16}})_([0-9]{{1,12}})_[A-Za-z0-9_-]{{43}})_([A-Za-z0-9_-]{{22}})")
LOCK_SPACE = 7
MOST_ALIVE = 10_000
"""The most tokens that a tenant may have at once."""
DROPPED_AT_ONCE = 100


@dataclass(frozen=True, kw_only=True)
class Token:
    """The part of a token that never changes. Its budget is only in the database."""

    id: str
    key_id: str
    sha256: str
    scopes: tuple[Scope, ...]
    expires_at: float
    limited: bool

    def is_of(self, whole: str) -> bool:
        """Compare it with an offered token, in the same time for every wrong secret."""
        return hmac.compare_digest(self.sha256, digest(whole))


class TooManyTokens(Exception):
    """The tenant already has the most tokens that are allowed at once."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class TokenStore:
    """The tokens of one service. `now`, in seconds since 1970, is the database's time unless given."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.secrets = SharedSecrets(engine, "tokens")

    def mint(
        self,
        key: Key,
        scopes: tuple[Scope, ...],
        ttl_s: float,
        megapixel_steps: float | None = None,
        requests: int | None = None,
        now: float | None = None,
    ) -> tuple[Token, str]:
        """Mint a token. Return it as stored, and its text, which cannot be read again.

        It expires no later than its key. A budget of None is unlimited. Raises TooManyTokens.
        """
        token_id = secrets.token_hex(8)
        secret = self.secrets.signing()
        with self.engine.begin() as connection:
            lock_owner(connection, key.tenant, LOCK_SPACE)
            now = now_of(connection, now)
            _drop_ended(connection, now)
            alive = select(func.count(), func.min(tokens.c.expires_at)).where(
                tokens.c.owner == key.tenant, tokens.c.expires_at > now
            )
            count, first_end = connection.execute(alive).one()
            if count >= MOST_ALIVE:
                raise TooManyTokens(first_end - now)
            ends = min(now + ttl_s, key.expires_at if key.expires_at is not None else now + ttl_s)
            unsigned = f"{PREFIX}{token_id}_{math.ceil(ends)}_{secrets.token_urlsafe(32)}"
            whole = f"{unsigned}_{_signature(unsigned, secret)}"
            row = {"id": token_id, "key_id": key.id, "owner": key.tenant, "sha256": digest(whole)}
            budget = {"megapixel_steps": megapixel_steps, "requests": requests}
            times = {"created_at": now, "expires_at": ends}
            connection.execute(insert(tokens).values(scopes=" ".join(scopes), **row, **times, **budget))
        limited = megapixel_steps is not None or requests is not None
        kept = Token(
            id=token_id,
            key_id=key.id,
            sha256=row["sha256"],
            scopes=scopes,
            expires_at=ends,
            limited=limited,
        )
        return kept, whole

    def find(self, token_id: str) -> Token | None:
        """Return a token, even an expired one that is still stored, or None."""
        with reading(self.engine) as connection:
            row = connection.execute(select(tokens).where(tokens.c.id == token_id)).one_or_none()
        if row is None:
            return None
        return Token(
            id=row.id,
            key_id=row.key_id,
            sha256=row.sha256,
            scopes=tuple(row.scopes.split()),
            expires_at=row.expires_at,
            limited=row.megapixel_steps is not None or row.requests is not None,
        )

    def count_request(self, token_id: str) -> bool:
        """Use one of the token's requests. Return False if none is left."""
        left = tokens.c.requests
        with self.engine.begin() as connection:
            one = update(tokens).where(tokens.c.id == token_id, or_(left.is_(None), left >= 1))
            return connection.execute(one.values(requests=left - 1)).rowcount == 1

    def spend(self, token_id: str, amount: float) -> bool:
        """Spend `amount` megapixel-steps of the token's budget. Return False if fewer are left."""
        with self.engine.begin() as connection:
            return spend(connection, token_id, amount)

    def give_back(self, token_id: str, amount: float) -> None:
        """Return what was spent on work that produced nothing."""
        with self.engine.begin() as connection:
            give_back(connection, token_id, amount)


def spend(connection: Connection, token_id: str, amount: float) -> bool:
    """Spend megapixel-steps of a token within the caller's transaction. Return False if fewer are left."""
    left = tokens.c.megapixel_steps
    enough = and_(tokens.c.id == token_id, or_(left.is_(None), left >= amount))
    return (
        connection.execute(update(tokens).where(enough).values(megapixel_steps=left - amount)).rowcount == 1
    )


def _drop_ended(connection: Connection, now: float) -> None:
    """Delete some expired tokens of all tenants: more than are minted meanwhile."""
    old = select(tokens.c.id).where(tokens.c.expires_at <= now).limit(DROPPED_AT_ONCE)
    found = connection.execute(old.with_for_update(skip_locked=True)).scalars().all()
    if found:
        connection.execute(delete(tokens).where(tokens.c.id.in_(found)))


def give_back(connection: Connection, token_id: str, amount: float) -> None:
    """Return megapixel-steps to a token within the caller's transaction."""
    mine = update(tokens).where(tokens.c.id == token_id)
    connection.execute(mine.values(megapixel_steps=tokens.c.megapixel_steps + amount))


@dataclass(frozen=True)
class Offered:
    """Parts of an offered token. None of them can be trusted before its signature is checked."""

    whole: str
    unsigned: str
    id: str
    ends: int
    signature: str

    def is_signed(self, secrets: Iterable[bytes]) -> bool:
        """Return whether it was minted with one of these secrets."""
        signatures = [_signature(self.unsigned, secret) for secret in secrets]
        return any(hmac.compare_digest(self.signature, each) for each in signatures)


def read_token(text: str) -> Offered | None:
    """Return an offered token's parts, or None if it does not have a token's form."""
    found = FORM.fullmatch(text)
    return Offered(text, found[1], found[2], int(found[3]), found[4]) if found else None


def _signature(unsigned: str, secret: bytes) -> str:
    """Return half of an HMAC-SHA-256: 128 bits are enough."""
    signed = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(signed[:16]).rstrip(b"=").decode()
