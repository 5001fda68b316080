"""Short-lived tokens for browsers, each minted by a key, with what is left of its budget."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("megapixel_steps", sa.Double),
        sa.Column("requests", sa.Integer),
    )
    op.create_index("tokens_by_owner", "tokens", ["owner", "expires_at"])
    op.create_index("tokens_by_end", "tokens", ["expires_at"])
    op.add_column("jobs", sa.Column("token_id", sa.String(16)))
    op.add_column("scenes", sa.Column("token_steps", sa.Double))


def downgrade() -> None:
    op.drop_column("scenes", "token_steps")
    op.drop_column("jobs", "token_id")
    op.drop_index("tokens_by_end", "tokens")
    op.drop_index("tokens_by_owner", "tokens")
    op.drop_table("tokens")
