"""Jobs and their scenes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("cancelled_at", sa.Double),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.UniqueConstraint("owner", "idempotency_key", name="one_job_a_key"),
    )
    op.create_index("jobs_by_owner", "jobs", ["owner", "created_at", "id"])
    op.create_table(
        "scenes",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("deadline_s", sa.Double, nullable=False),
        sa.Column("not_before", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("losses", sa.Integer, nullable=False),
        sa.Column("lease", sa.String(32), unique=True),
        sa.Column("lease_until", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("error", sa.Text),
        sa.Column("picture", sa.String(64)),
        sa.Column("format", sa.String(8)),
        sa.Column("headers", sa.Text),
    )
    op.create_index("scenes_by_status", "scenes", ["status", "job_id", "not_before"])
    op.create_index("scenes_by_picture", "scenes", ["picture"])


def downgrade() -> None:
    op.drop_table("scenes")
    op.drop_table("jobs")
