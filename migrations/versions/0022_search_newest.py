"""Find the newest messages of a conversation, and the questions of a person in groups.

Revision 0022, follows 0021, 2026-11-29.

On PostgreSQL the indexes are built beside the writers, outside of a transaction. A try that was
cut off may have left half an index.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

OLD, NEW = "ix_messages_conversation_id", "ix_messages_newest"
OF_AUTHORS = "ix_messages_author"
HAS_AUTHOR = sa.text("author_id IS NOT NULL")


def upgrade() -> None:
    with outside() as how:
        op.drop_index(NEW, "messages", if_exists=True, **how)
        op.create_index(NEW, "messages", ["conversation_id", "id"], **how)
        op.drop_index(OLD, "messages", if_exists=True, **how)
        op.drop_index(OF_AUTHORS, "messages", if_exists=True, **how)
        op.create_index(
            OF_AUTHORS,
            "messages",
            ["author_id", "id"],
            postgresql_where=HAS_AUTHOR,
            sqlite_where=HAS_AUTHOR,
            **how,
        )


def downgrade() -> None:
    with outside() as how:
        op.drop_index(OF_AUTHORS, "messages", if_exists=True, **how)
        op.drop_index(OLD, "messages", if_exists=True, **how)
        op.create_index(OLD, "messages", ["conversation_id"], **how)
        op.drop_index(NEW, "messages", if_exists=True, **how)


@contextmanager
def outside() -> Iterator[dict[str, Any]]:
    """Leave the transaction on PostgreSQL, to work beside the writers; yield how to do it."""
    if op.get_bind().dialect.name != "postgresql":
        yield {}
        return
    with op.get_context().autocommit_block():
        yield {"postgresql_concurrently": True}
