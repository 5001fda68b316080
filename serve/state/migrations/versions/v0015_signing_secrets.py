"""Replaceable secrets for links and tokens: all that sign or verify, once one was replaced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "signing_secrets",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("secret", sa.String(64), primary_key=True),
        sa.Column("signs_from", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double),
    )


def downgrade() -> None:
    op.drop_table("signing_secrets")
