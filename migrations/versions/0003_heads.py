"""Index the heads of conversations.

Revision 0003, follows 0002, 2026-11-24.

Deleting a message clears the head that refers to it. Without an index each deletion would read all
conversations.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_conversations_head_id"), "conversations", ["head_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_conversations_head_id"), "conversations")
