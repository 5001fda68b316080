"""Define the tables of jobs and their scenes, of stories, and of the webhooks that report them.

A job's status is not stored: it is derived from its scenes, so that the two cannot disagree.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from .database import metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("total", Integer, nullable=False),
    Column("cancelled_at", Double),
    Column("idempotency_key", String(255)),
    Column("body_hash", String(64), nullable=False),
    Column("key_id", String(64)),
    Column("held_at", Double),
    Column("token_id", String(16)),
    UniqueConstraint("owner", "idempotency_key", name="one_job_a_key"),
    Index("jobs_by_owner", "owner", "created_at", "id"),
    Index("jobs_by_time", "created_at", "id"),
    Index("jobs_by_key", "key_id"),
)

scenes = Table(
    "scenes",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("status", String(16), nullable=False),
    Column("job", Text, nullable=False),
    Column("deadline_s", Double, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("lease", String(32), unique=True),
    Column("lease_until", Double),
    Column("ended_at", Double),
    Column("error", Text),
    Column("picture", String(64)),
    Column("format", String(8)),
    Column("headers", Text),
    Column("repaints", Integer, nullable=False, server_default="0"),
    Column("first_painted", String(64)),
    Column("changed", Boolean, nullable=False, server_default=false()),
    Column("words_bytes", BigInteger, nullable=False, server_default="0"),
    Column("picture_bytes", BigInteger, nullable=False, server_default="0"),
    Column("key_id", String(64)),
    Column("token_steps", Double),
    Index("scenes_by_bytes", "job_id", "words_bytes", "picture_bytes"),
    Index("scenes_by_expected", "status", "picture_bytes"),
    Index("scenes_by_status", "status", "job_id", "not_before"),
    Index("scenes_by_picture", "picture"),
)

stories = Table(
    "stories",
    metadata,
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("body", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("consistency_min", Double, nullable=False),
    Column("version", Integer, nullable=False, server_default="0"),
    Index("stories_by_owner", "owner", "created_at", "job_id"),
    Index("stories_by_time", "created_at", "job_id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE")),
    Column("owner", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("delivered_at", Double),
    Column("failed_at", Double),
    Column("last_error", Text),
    Column("body", Text),
    Index("webhook_deliveries_by_job", "job_id"),
    Index("webhook_deliveries_by_due", "delivered_at", "failed_at", "due_at"),
)

webhook_secrets = Table(
    "webhook_secrets",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("secret", Text, nullable=False),
    Column("previous", Text),
    Column("rotated_at", Double),
)
