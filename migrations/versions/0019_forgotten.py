"""Forget a conversation at once, and delete what it holds later, in steps.

Revision 0019, follows 0018, 2026-11-29.

A person also gets the time of their last export.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# `users` is locked before `conversations`, as whoever stores a new person does it.

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

FORGOTTEN = sa.text("forgotten_at IS NOT NULL AND cleared_at IS NULL")


def upgrade() -> None:
    # Not by batch operations: on SQLite those would copy the tables.
    op.add_column("users", sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True))
    for name in ("forgotten_at", "cleared_at"):
        op.add_column("conversations", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_conversations_forgotten",
        "conversations",
        ["id"],
        postgresql_where=FORGOTTEN,
        sqlite_where=FORGOTTEN,
    )


def downgrade() -> None:
    """Delete forgotten conversations whole: an older release does not know what they are."""
    op.execute("DELETE FROM conversations WHERE forgotten_at IS NOT NULL")
    op.drop_column("users", "exported_at")
    op.drop_index("ix_conversations_forgotten", "conversations")
    op.drop_column("conversations", "cleared_at")
    op.drop_column("conversations", "forgotten_at")
