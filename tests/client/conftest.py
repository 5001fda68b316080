"""Run the HTTP service for the client's tests: that of tests/serve, without Ray."""

from __future__ import annotations

from tests.support.local_service import config as config
from tests.support.local_service import graph as graph
from tests.support.local_service import url_with_worker as url_with_worker
from tests.support.migrated import already_migrated as already_migrated
from tests.support.migrated import migrated as migrated
from tests.support.shared_adapters import shared_adapters as shared_adapters
