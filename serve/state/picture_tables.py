"""Define the tables of pictures: uploads, holds, results, those left to be dropped; and of the cast."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, String, Table, Text

from .database import metadata

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

loose_pictures = Table(
    "loose_pictures",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("picture", String(64), nullable=False),
    Column("since", Double, nullable=False),
    Column("dropping_at", Double),
    Index("loose_pictures_by_picture", "picture"),
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
