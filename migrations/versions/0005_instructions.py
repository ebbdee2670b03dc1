"""Find the current instructions of each conversation.

Revision 0005, follows 0004, 2026-11-24.

They are its newest system message, because `/new` repeats them. A conversation without instructions
in its epoch keeps one message more than necessary.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BATCH = 1000
"""The number of conversations whose messages one statement reads."""

FILL = """
UPDATE conversations SET instructed_id = (
    SELECT max(id) FROM messages
    WHERE messages.conversation_id = conversations.id AND {role} = 'system'
) WHERE id BETWEEN :first AND :last AND instructed_id IS NULL AND head_id IS NOT NULL
"""


def upgrade() -> None:
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    fill = sa.text(
        FILL.format(role="json_extract(body, '$.role')" if sqlite else "body ->> 'role'")
    )
    last = connection.scalar(sa.text("SELECT max(id) FROM conversations")) or 0
    for first in range(0, last + 1, BATCH):
        connection.execute(fill, {"first": first, "last": first + BATCH - 1})


def downgrade() -> None:
    """Do nothing: 0004 drops the column."""
