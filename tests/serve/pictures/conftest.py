"""The same databases and buckets as for jobs: uploaded pictures lie beside theirs."""

from __future__ import annotations

from ..jobs.conftest import bucket as bucket
from ..jobs.conftest import engine as engine
from ..jobs.conftest import postgres as postgres
from ..jobs.conftest import s3 as s3
from ..jobs.conftest import sqlite as sqlite
