"""Quotas of each tenant across all edge replicas, and its monthly budget."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("tenants", sa.Column("monthly_budget", sa.Double))
    op.add_column("tenants", sa.Column("budget_webhook", sa.Text))
    op.create_table(
        "quotas",
        sa.Column(
            "tenant", sa.String(64), sa.ForeignKey("tenants.name", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("left", sa.Double, nullable=False),
        sa.Column("at", sa.Double),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("spent", sa.Double, nullable=False),
        sa.Column("reported", sa.String(7)),
    )
    with op.batch_alter_table("webhook_deliveries") as deliveries:
        deliveries.alter_column("job_id", existing_type=sa.String(32), nullable=True)
        deliveries.add_column(sa.Column("body", sa.Text))


def downgrade() -> None:
    op.execute("DELETE FROM webhook_deliveries WHERE job_id IS NULL")
    with op.batch_alter_table("webhook_deliveries") as deliveries:
        deliveries.drop_column("body")
        deliveries.alter_column("job_id", existing_type=sa.String(32), nullable=False)
    op.drop_table("quotas")
    op.drop_column("tenants", "budget_webhook")
    op.drop_column("tenants", "monthly_budget")
