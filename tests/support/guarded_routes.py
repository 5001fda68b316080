"""List the routes that require a key."""

from __future__ import annotations

GUARDED = [
    ("GET", "/v1/models"),
    ("HEAD", "/v1/models"),
    ("OPTIONS", "/v1/models"),
    ("POST", "/v1/scenes"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/nothing"),
    ("GET", "/nothing"),
    ("GET", "//v1/models"),
    ("GET", "/v1//models"),
    ("GET", "/V1/models"),
    ("GET", "/./v1/models"),
    ("GET", "/static/../v1/models"),
    ("GET", "/static/..%2fv1/models"),
    ("GET", "/healthz/"),
    ("GET", "/healthz/../v1/models"),
    ("GET", "/healthz%00"),
    ("GET", "/Healthz"),
    ("GET", "/static/"),
    ("GET", "/static/nothing.js"),
    ("GET", "//"),
]
