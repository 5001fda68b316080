"""Define the tables of tenants: keys and tokens, quotas and usage; and of the secrets for signing."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from .database import metadata

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
