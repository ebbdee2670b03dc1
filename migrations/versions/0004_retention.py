"""Prepare the deletion of old texts.

Revision 0004, follows 0003, 2026-11-24.

A summary stores the age of the oldest message that it tells of, a conversation its current
instructions, and a turn whether its texts are deleted. Two indexes find old rows without reading
the others.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Not by batch operations: on SQLite those would copy the tables.
    op.add_column("summaries", sa.Column("since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("conversations", sa.Column("instructed_id", KEY, nullable=True))
    op.add_column(
        "turns",
        sa.Column("forgotten", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(op.f("ix_messages_created_at"), "messages", ["created_at"])
    op.create_index(
        "ix_turns_kept",
        "turns",
        ["created_at"],
        postgresql_where=sa.text("NOT forgotten"),
        sqlite_where=sa.text("forgotten = 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_turns_kept", "turns")
    op.drop_index(op.f("ix_messages_created_at"), "messages")
    op.drop_column("turns", "forgotten")
    op.drop_column("conversations", "instructed_id")
    op.drop_column("summaries", "since")
