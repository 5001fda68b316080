"""Tenants and their keys, and which key a job was submitted with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("rate", sa.Double),
        sa.Column("burst", sa.Double),
        sa.Column("concurrent", sa.Integer),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.name"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
        sa.Column("last_used_at", sa.Double),
        sa.Column("work", sa.String(8)),
        sa.Column("settled_at", sa.Double),
    )
    op.create_index("keys_by_tenant", "keys", ["tenant"])
    op.add_column("jobs", sa.Column("key_id", sa.String(64)))
    op.add_column("jobs", sa.Column("held_at", sa.Double))
    op.create_index("jobs_by_time", "jobs", ["created_at", "id"])
    op.create_index("jobs_by_key", "jobs", ["key_id"])
    # The owner of a job was the id of its key. From now on it is the name of that key's tenant.
    op.execute("UPDATE jobs SET key_id = owner WHERE owner <> ''")


def downgrade() -> None:
    op.drop_index("jobs_by_key", "jobs")
    op.drop_index("jobs_by_time", "jobs")
    op.drop_column("jobs", "held_at")
    op.drop_column("jobs", "key_id")
    op.drop_table("keys")
    op.drop_table("tenants")
