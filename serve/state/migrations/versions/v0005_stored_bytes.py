"""Count the bytes that each scene keeps for its words and its picture."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for name in ("words_bytes", "picture_bytes"):
        op.add_column("scenes", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE scenes SET words_bytes = 1000 + length(job)")
    op.create_index("scenes_by_bytes", "scenes", ["job_id", "words_bytes", "picture_bytes"])
    op.create_index("scenes_by_expected", "scenes", ["status", "picture_bytes"])


def downgrade() -> None:
    op.drop_index("scenes_by_expected", "scenes")
    op.drop_index("scenes_by_bytes", "scenes")
    for name in ("words_bytes", "picture_bytes"):
        op.drop_column("scenes", name)
