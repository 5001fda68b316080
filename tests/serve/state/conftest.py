"""The same databases as for jobs: keys lie beside them."""

from __future__ import annotations

from ..jobs.conftest import engine as engine
from ..jobs.conftest import postgres as postgres
from ..jobs.conftest import sqlite as sqlite
