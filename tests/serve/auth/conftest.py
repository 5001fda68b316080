"""The same databases as for jobs, since keys are stored beside them."""

from __future__ import annotations

from tests.support.databases import engine as engine
from tests.support.databases import postgres as postgres
from tests.support.databases import sqlite as sqlite
