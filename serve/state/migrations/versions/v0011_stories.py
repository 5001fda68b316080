"""Stories: the request of each job whose scenes are the pages of a book."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "stories",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("consistency_min", sa.Double, nullable=False),
    )
    op.create_index("stories_by_owner", "stories", ["owner", "created_at", "job_id"])
    op.create_index("stories_by_time", "stories", ["created_at", "job_id"])


def downgrade() -> None:
    # Earlier versions would keep what they hold forever.
    op.execute("DELETE FROM picture_holds WHERE holder LIKE 'story:%'")
    op.drop_index("stories_by_time", "stories")
    op.drop_index("stories_by_owner", "stories")
    op.drop_table("stories")
