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
# migration makes the triggers anew.

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = "fk_messages_turn_id"


def upgrade() -> None:
    lock()
    triggers = read_triggers()
    with op.batch_alter_table("messages") as messages:
        messages.drop_index("ix_messages_turn_id")
        messages.drop_constraint(KEY, type_="foreignkey")
        messages.add_column(sa.Column("author_id", ID, nullable=True))
    make(triggers)


def downgrade() -> None:
    """Delete the messages of turns that are gone: the key would not hold for them."""
    lock()
    op.execute("DELETE FROM messages WHERE turn_id NOT IN (SELECT id FROM turns)")
    triggers = read_triggers()
    with op.batch_alter_table("messages") as messages:
        messages.drop_column("author_id")
        messages.create_foreign_key(KEY, "turns", ["turn_id"], ["id"], ondelete="CASCADE")
        messages.create_index("ix_messages_turn_id", ["turn_id"])
    make(triggers)


def lock() -> None:
    """Lock both tables in the order in which an answer is stored; otherwise it is a deadlock."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("LOCK TABLE turns, messages IN ACCESS EXCLUSIVE MODE")


def read_triggers() -> list[str]:
    """Return the statements that made the triggers of `messages` on SQLite, as they are now."""
    if op.get_bind().dialect.name != "sqlite":
        return []
    found = op.get_bind().exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'messages'"
    )
    return [sql for (sql,) in found]


def make(triggers: list[str]) -> None:
    for statement in triggers:
        op.get_bind().exec_driver_sql(statement)
