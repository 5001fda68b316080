"""The same databases and buckets as for jobs, since uploaded pictures are stored beside theirs."""

from __future__ import annotations

from tests.support.databases import engine as engine
from tests.support.databases import postgres as postgres
from tests.support.databases import sqlite as sqlite
from tests.support.s3_server import bucket as bucket
from tests.support.s3_server import s3 as s3
