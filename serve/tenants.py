"""Who asks: the name under which a caller's jobs are kept apart from all others'."""

from __future__ import annotations

from fastapi import Request


def tenant_of(request: Request) -> str:
    """The key's own name, or empty where no key is asked for."""
    return str(getattr(request.state, "tenant", ""))
