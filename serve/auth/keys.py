"""API keys: what one is, what it may do, and when it ends.

A key is `sw_ID_SECRET`. Its id is no secret; of the secret, 32 random bytes, only the SHA-256 of the whole
key is kept (auth/key_store.py). Reading what is kept lets nobody use a key.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from ..config.access import EndedWork, Scope


@dataclass(frozen=True, kw_only=True)
class Key:
    """One of a tenant's keys. What is stored belongs to the tenant, and so do its limits.

    `rate` and `burst` are in megapixel-steps, a second and at once, `monthly_budget` in those of a month of
    UTC; `concurrent` in requests. `work`: what
    becomes of this key's waiting work when it ends, where that was said of this key.
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
        """Say whether the key does what needs this scope."""
        return scope in self.scopes or "admin" in self.scopes

    def is_of(self, whole: str) -> bool:
        """Compare with what was offered, in the same time for every wrong secret."""
        return hmac.compare_digest(self.sha256, digest(whole))

    def end(self, now: float) -> str | None:
        """Say how the key ended; None where it has not."""
        if self.revoked_at is not None:
            return "was revoked"
        return "has expired" if self.expires_at is not None and self.expires_at <= now else None


def digest(whole: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(whole.encode("utf-8", "surrogateescape")).hexdigest()


def id_in(offered: str) -> str | None:
    """Return the id that an offered key names; None where it has not a key's form."""
    parts = offered.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "sw" else None
