"""Pictures that callers upload, and what holds them for longer than a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "pictures",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index("pictures_by_name", "pictures", ["name"])
    op.create_index("pictures_by_expiry", "pictures", ["expires_at"])
    op.create_table(
        "picture_holds",
        sa.Column("holder", sa.String(80), primary_key=True),
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
    )
    op.create_index("picture_holds_by_picture", "picture_holds", ["owner", "name"])


def downgrade() -> None:
    op.drop_table("picture_holds")
    op.drop_table("pictures")
