"""API keys: what one is, what it may do, and when it ends.

A key is `sw_ID_SECRET`. Its id is not secret, and its secret is 32 random bytes. Only the SHA-256 of the
whole key is kept (auth/key_store.py), so nobody can use a key after reading the database.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from ..config.access import EndedWork, Scope


@dataclass(frozen=True, kw_only=True)
class Key:
    """One of a tenant's keys. Stored data and limits belong to the tenant.

    `rate` is in megapixel-steps a second, `burst` in megapixel-steps at once, `monthly_budget` in
    megapixel-steps a month (of UTC), and `concurrent` in requests at once. `work` is what happens to this
    key's waiting work when it ends, if that was set for this key.
    """

    id: str
    tenant: str
    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    work: EndedWork | None = None
    rate: float | None = None
    burst: float | None = None
    concurrent: int | None = None
    monthly_budget: float | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the key may do what needs this scope."""
        return scope in self.scopes or "admin" in self.scopes

    def is_of(self, whole: str) -> bool:
        """Compare it with an offered key, in the same time for every wrong secret."""
        return hmac.compare_digest(self.sha256, digest(whole))

    def end(self, now: float) -> str | None:
        """Return how the key ended, or None if it has not."""
        if self.revoked_at is not None:
            return "was revoked"
        return "has expired" if self.expires_at is not None and self.expires_at <= now else None


def digest(whole: str) -> str:
    """Return the SHA-256 of a key, which is all that is kept of it."""
    return hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()


def id_in(offered: str) -> str | None:
    """Return the id in an offered key, or None if it does not have a key's form."""
    parts = offered.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "sw" else None
