"""Webhooks: the deliveries, and the secrets that sign them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("delivered_at", sa.Double),
        sa.Column("failed_at", sa.Double),
        sa.Column("last_error", sa.Text),
    )
    op.create_index("webhook_deliveries_by_job", "webhook_deliveries", ["job_id"])
    op.create_index(
        "webhook_deliveries_by_due", "webhook_deliveries", ["delivered_at", "failed_at", "due_at"]
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("previous", sa.Text),
        sa.Column("rotated_at", sa.Double),
    )


def downgrade() -> None:
    op.drop_table("webhook_secrets")
    op.drop_index("webhook_deliveries_by_due", "webhook_deliveries")
    op.drop_index("webhook_deliveries_by_job", "webhook_deliveries")
    op.drop_table("webhook_deliveries")
