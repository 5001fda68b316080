"""The key that requested a page's repaint, and how often a story was changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("scenes", sa.Column("key_id", sa.String(64)))
    op.add_column("stories", sa.Column("version", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("stories", "version")
    op.drop_column("scenes", "key_id")
