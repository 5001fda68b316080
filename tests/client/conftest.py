"""The edge that the client is tried against: that of tests/serve, without Ray."""

from __future__ import annotations

from ..serve.conftest import config, graph, url_with_worker  # noqa: F401 (fixtures)
