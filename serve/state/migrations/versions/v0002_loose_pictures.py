"""Pictures that may belong to no scene."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "loose_pictures",
        sa.Column("token", sa.String(32), primary_key=True),
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("dropping_at", sa.Double),
    )
    op.create_index("loose_pictures_by_picture", "loose_pictures", ["picture"])


def downgrade() -> None:
    op.drop_table("loose_pictures")
