"""The Allow header of a 405: every method that has a route at this path, not the first route's alone."""

from __future__ import annotations

from fastapi import Request
from starlette.routing import Match

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def allowed_methods(request: Request) -> str:
    """Return the methods as the header is written: `GET, POST`."""
    routes = request.app.routes
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    found = {
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in routes)
    }
    if "GET" in found:
        found.add("HEAD")  # Answered by serve/http/head.py, which the routes do not know of.
    return ", ".join(sorted(found))
