"""The same databases as for jobs: keys lie beside them."""

from __future__ import annotations

import pytest

from tests.support.databases import engine as engine
from tests.support.databases import postgres as postgres
from tests.support.databases import sqlite as sqlite


@pytest.fixture(autouse=True)
def already_migrated() -> None:
    """Let each database here be made by the migrations themselves."""
