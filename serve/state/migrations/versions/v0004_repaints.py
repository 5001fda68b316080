"""Count how often a scene was painted again, and note whether it came out as before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COLUMNS = (
    sa.Column("repaints", sa.Integer, nullable=False, server_default="0"),
    sa.Column("first_painted", sa.String(64)),
    sa.Column("changed", sa.Boolean, nullable=False, server_default=sa.false()),
)


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("scenes", column)


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_column("scenes", column.name)
