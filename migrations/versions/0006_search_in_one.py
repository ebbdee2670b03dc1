"""Search in one conversation without reading all the others, on SQLite.

Revision 0006, follows 0005, 2026-11-24.

The index gets a column for the conversation of each message. A match names the conversation, so
that only its messages are ranked. PostgreSQL finds a conversation's messages by another index.
"""

# The previous release runs on this schema during a deploy: break nothing that it reads or writes.
# Add a column as nullable or with a server default; drop or rename one only a release after the
# code has stopped using it. Fill rows in a migration of its own, in batches.
#
# SQLite has one process, so no other release runs meanwhile and the index can be rebuilt.
#
# On SQLite a batch operation copies `messages` and drops the old table with its triggers: such a
# migration makes the three triggers anew.

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

CLEAR = ("DROP TRIGGER search_deleted", "DROP TRIGGER search_added", "DROP TABLE search")
DELETED = """
CREATE TRIGGER search_deleted AFTER DELETE ON messages
BEGIN
    DELETE FROM search WHERE rowid = old.id;
END
"""
SCOPED = (
    """
    CREATE VIRTUAL TABLE search USING fts5(
        text, conversation, tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
    )
    """,
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
    DELETED,
    """
    INSERT INTO search (rowid, text, conversation)
    SELECT id, (
        SELECT group_concat(atom, char(10)) FROM json_tree(body, '$.content')
        WHERE type = 'text' AND (fullkey = '$.content' OR key = 'text')
    ), conversation_id
    FROM messages WHERE json_extract(body, '$.role') IN ('user', 'assistant')
    """,
    # Words deleted from the old index are still in the log, which `privacy.erase` truncates.
    "PRAGMA user_version = 1",
)
PLAIN = (
    """
    CREATE VIRTUAL TABLE search
    USING fts5(text, tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'")
    """,
    """
    CREATE TRIGGER search_added AFTER INSERT ON messages
    WHEN json_extract(new.body, '$.role') IN ('user', 'assistant')
    BEGIN
        INSERT INTO search (rowid, text)
        SELECT new.id, group_concat(atom, char(10)) FROM json_tree(new.body, '$.content')
        WHERE type = 'text' AND (fullkey = '$.content' OR key = 'text');
    END
    """,
    DELETED,
    """
    INSERT INTO search (rowid, text)
    SELECT id, (
        SELECT group_concat(atom, char(10)) FROM json_tree(body, '$.content')
        WHERE type = 'text' AND (fullkey = '$.content' OR key = 'text')
    )
    FROM messages WHERE json_extract(body, '$.role') IN ('user', 'assistant')
    """,
)


def upgrade() -> None:
    carry_out((*CLEAR, *SCOPED))


def downgrade() -> None:
    carry_out(("DROP TRIGGER search_moved", *CLEAR, *PLAIN))


def carry_out(statements: tuple[str, ...]) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for statement in statements:
            op.get_bind().exec_driver_sql(statement)
