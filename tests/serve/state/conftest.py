"""The same databases as for jobs, since keys are stored beside them."""

from __future__ import annotations

import pytest

from tests.support.databases import engine as engine
from tests.support.databases import postgres as postgres
from tests.support.databases import sqlite as sqlite


@pytest.fixture(autouse=True)
def already_migrated() -> None:
    """Create each database here by the migrations."""
