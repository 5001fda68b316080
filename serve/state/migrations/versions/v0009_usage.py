"""Usage of each tenant, by day and key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("key_id", sa.String(64), primary_key=True),
        sa.Column("pictures", sa.BigInteger, nullable=False),
        sa.Column("device_s", sa.Double, nullable=False),
        sa.Column("megapixel_steps", sa.Double, nullable=False),
    )
    op.create_index("usage_by_day", "usage", ["day"])


def downgrade() -> None:
    op.drop_table("usage")
