"""Let messages outlive their turns.

Revision 0020, follows 0019, 2026-11-29.

Old turns are deleted, and memory stays. A question in a group gets the person who asked it. On
SQLite this copies the table of messages once.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# On SQLite a batch operation copies `messages` and drops the old table with its triggers: such a
# migration makes the three triggers anew.

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = "fk_messages_turn_id"
TRIGGERS = (
    """
    CREATE TRIGGER search_added AFTER INSERT ON messages
    WHEN json_extract(new.body, '$.role') IN ('user', 'assistant')
    BEGIN
        INSERT INTO search (rowid, text, conversation)
        SELECT new.id, group_concat(atom, char(10)), new.conversation_id
        FROM json_tree(new.body, '$.content')
        WHERE type = 'text' AND (fullkey = '$.content' OR key = 'text');
    END
    """,
    """
    CREATE TRIGGER search_moved AFTER UPDATE OF conversation_id ON messages
    BEGIN
        UPDATE search SET conversation = new.conversation_id WHERE rowid = new.id;
    END
    """,
    """
    CREATE TRIGGER search_deleted AFTER DELETE ON messages
    BEGIN
        DELETE FROM search WHERE rowid = old.id;
    END
    """,
)


def upgrade() -> None:
    lock()
    with op.batch_alter_table("messages") as messages:
        messages.drop_index("ix_messages_turn_id")
        messages.drop_constraint(KEY, type_="foreignkey")
        messages.add_column(sa.Column("author_id", ID, nullable=True))
    make_triggers()


def downgrade() -> None:
    """Delete the messages of turns that are gone: the key would not hold for them."""
    lock()
    op.execute("DELETE FROM messages WHERE turn_id NOT IN (SELECT id FROM turns)")
    with op.batch_alter_table("messages") as messages:
        messages.drop_column("author_id")
        messages.create_foreign_key(KEY, "turns", ["turn_id"], ["id"], ondelete="CASCADE")
        messages.create_index("ix_messages_turn_id", ["turn_id"])
    make_triggers()


def lock() -> None:
    """Lock both tables in the order in which an answer is stored; otherwise it is a deadlock."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("LOCK TABLE turns, messages IN ACCESS EXCLUSIVE MODE")


def make_triggers() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for statement in TRIGGERS:
            op.get_bind().exec_driver_sql(statement)
