"""Results that are kept for a while: linked pictures, and the responses to repeated requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "results",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index("results_by_owner", "results", ["owner", "expires_at"])
    op.create_index("results_by_name", "results", ["name"])
    op.create_index("results_by_expiry", "results", ["expires_at"])
    op.create_table(
        "shared_secrets",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("secret", sa.Text, nullable=False),
    )
    op.create_table(
        "repeated_requests",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("idempotency_key", sa.String(255), primary_key=True),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("lease", sa.String(32), nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("result_id", sa.String(32)),
        sa.Column("headers", sa.Text),
    )
    op.create_index("repeated_requests_by_expiry", "repeated_requests", ["expires_at"])


def downgrade() -> None:
    # Earlier versions know no results: their files then have no owner, and a worker drops them.
    op.execute("INSERT INTO loose_pictures (token, picture, since) SELECT id, name, 0.0 FROM results")
    op.drop_index("repeated_requests_by_expiry", "repeated_requests")
    op.drop_table("repeated_requests")
    op.drop_table("shared_secrets")
    for index in ("results_by_expiry", "results_by_name", "results_by_owner"):
        op.drop_index(index, "results")
    op.drop_table("results")
