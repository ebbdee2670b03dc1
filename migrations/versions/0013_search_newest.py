"""Find the newest messages of a conversation without reading the others.

Revision 0013, follows 0012, 2026-11-29.

On PostgreSQL the index is built beside the writers, outside of a transaction.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

OLD, NEW = "ix_messages_conversation_id", "ix_messages_newest"


def upgrade() -> None:
    replace(OLD, NEW, ["conversation_id", "id"])


def downgrade() -> None:
    replace(NEW, OLD, ["conversation_id"])


def replace(old: str, new: str, columns: list[str]) -> None:
    """Replace an index by another; a try that was cut off may have left half an index."""
    if op.get_bind().dialect.name != "postgresql":
        op.create_index(new, "messages", columns)
        op.drop_index(old, "messages")
        return
    with op.get_context().autocommit_block():
        op.drop_index(new, "messages", if_exists=True, postgresql_concurrently=True)
        op.create_index(new, "messages", columns, postgresql_concurrently=True)
        op.drop_index(old, "messages", if_exists=True, postgresql_concurrently=True)
