"""Define the tables of jobs, of pictures, of the cast, of keys and of usage: alike in SQLite and PostgreSQL.

Migrations make them, this describes them.

A job's status is nowhere stored: it is counted from its scenes, so that the two cannot disagree.
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
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData()

tenants = Table(
    "tenants",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("rate", Double),
    Column("burst", Double),
    Column("concurrent", Integer),
    Column("monthly_budget", Double),
    Column("budget_webhook", Text),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(64), ForeignKey("tenants.name"), nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("last_used_at", Double),
    Column("work", String(8)),
    Column("settled_at", Double),
    Index("keys_by_tenant", "tenant"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("key_id", String(64), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("megapixel_steps", Double),
    Column("requests", Integer),
    Index("tokens_by_owner", "owner", "expires_at"),
    Index("tokens_by_end", "expires_at"),
)

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

loose_pictures = Table(
    "loose_pictures",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("picture", String(64), nullable=False),
    Column("since", Double, nullable=False),
    Column("dropping_at", Double),
    Index("loose_pictures_by_picture", "picture"),
)

pictures = Table(
    "pictures",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("pictures_by_name", "name"),
    Index("pictures_by_expiry", "expires_at"),
)

picture_holds = Table(
    "picture_holds",
    metadata,
    Column("holder", String(80), primary_key=True),
    Column("owner", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Index("picture_holds_by_picture", "owner", "name"),
)

cast_members = Table(
    "cast_members",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("key_id", String(64), primary_key=True),
    Column("pictures", BigInteger, nullable=False),
    Column("device_s", Double, nullable=False),
    Column("megapixel_steps", Double, nullable=False),
    Index("usage_by_day", "day"),
)

quotas = Table(
    "quotas",
    metadata,
    Column("tenant", String(64), ForeignKey("tenants.name", ondelete="CASCADE"), primary_key=True),
    Column("left", Double, nullable=False),
    Column("at", Double),
    Column("month", String(7), nullable=False),
    Column("spent", Double, nullable=False),
    Column("reported", String(7)),
)

results = Table(
    "results",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("format", String(8), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("results_by_owner", "owner", "expires_at"),
    Index("results_by_name", "name"),
    Index("results_by_expiry", "expires_at"),
)

shared_secrets = Table(
    "shared_secrets",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("secret", Text, nullable=False),
)

signing_secrets = Table(
    "signing_secrets",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("secret", String(64), primary_key=True),
    Column("signs_from", Double, nullable=False),
    Column("ends_at", Double),
)

repeated_requests = Table(
    "repeated_requests",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("idempotency_key", String(255), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("lease", String(32), nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("result_id", String(32)),
    Column("headers", Text),
    Index("repeated_requests_by_expiry", "expires_at"),
)
