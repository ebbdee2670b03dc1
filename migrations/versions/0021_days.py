"""Keep sums by day of deleted calls, and tell how old a noted event is.

Revision 0021, follows 0020, 2026-11-29.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOTED = sa.text("turn_id IS NULL")
FIGURES = ("prompt_tokens", "cached_tokens", "completion_tokens", "cost", "charged")


def upgrade() -> None:
    op.create_table(
        "days",
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in FIGURES),
        sa.PrimaryKeyConstraint("user_id", "day", name=op.f("pk_days")),
    )
    # Not by a batch operation: on SQLite that would copy the table.
    op.add_column("events", sa.Column("noted_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_events_noted", "events", ["noted_at"], postgresql_where=NOTED, sqlite_where=NOTED
    )


def downgrade() -> None:
    op.drop_index("ix_events_noted", "events")
    op.drop_column("events", "noted_at")
    op.drop_table("days")
